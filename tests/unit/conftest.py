"""What unit tests share."""

import functools

import botocore.loaders

# Every test has a session of its own, which would read and parse the same models again.
botocore.loaders.create_loader = functools.cache(botocore.loaders.create_loader)
