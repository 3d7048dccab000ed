"""Who performs an operation's requests: blocking over boto3, awaitable over aiobotocore."""
