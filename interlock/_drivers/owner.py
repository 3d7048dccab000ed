"""The name that a holder gives itself, for people who look at the record."""

import os
import socket


def default_owner() -> str:
    """Return "host/pid", or in a Lambda function, where those mean nothing, "function/stream"."""
    function = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
    if function:
        return f"{function}/{os.environ.get('AWS_LAMBDA_LOG_STREAM_NAME', os.getpid())}"
    return f"{socket.gethostname()}/{os.getpid()}"
