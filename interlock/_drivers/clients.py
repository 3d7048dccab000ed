"""What both drivers know of botocore: configuration, errors, and how to hold back its retries."""

import functools
import re
import warnings
from typing import Any

from botocore import exceptions
from botocore.config import Config

from interlock._protocol.faults import CancellationReason, Fault, NoReply, NotSent, Refused

CONNECT_TIMEOUT = 1.0
READ_TIMEOUT = 2.0
OWN_TIMEOUT = CONNECT_TIMEOUT + READ_TIMEOUT  # seconds that a call of the library's client may take

# botocore waits 60 s for a connection and 60 s for an answer, which is longer than a lease, and
# repeats calls unseen. Operations bring their own retries, which know what may be repeated.
CLIENT_CONFIG = Config(
    connect_timeout=CONNECT_TIMEOUT,
    read_timeout=READ_TIMEOUT,
    retries={"total_max_attempts": 1, "mode": "standard"},
    user_agent_extra="interlock",
)

SERVER_ERROR = 500
# The connection was not made. (An SSLError is not among these: it may also break off an answer.)
NEVER_LEFT = (
    exceptions.EndpointConnectionError,
    exceptions.ConnectTimeoutError,
    exceptions.ProxyConnectionError,
)
# botocore does not even try to connect, and would not the next time.
_NEVER_LEAVES = (
    exceptions.BaseEndpointResolverError,
    exceptions.CredentialRetrievalError,
    exceptions.EndpointProviderError,
    exceptions.NoAuthTokenError,
    exceptions.NoCredentialsError,
    exceptions.ParamValidationError,
    exceptions.PartialCredentialsError,
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
    exceptions.UnknownSignatureVersionError,
    exceptions.ValidationError,
)
_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")


def own_client() -> Any:
    """Make a DynamoDB client from the environment, with timeouts short of any lease.

    Only for requests that are built here, from values that were checked: that botocore does not
    check them again saves a sixth of its time.
    """
    import boto3  # noqa: PLC0415 - only where no client is passed in

    config = CLIENT_CONFIG.merge(Config(parameter_validation=False))
    return boto3.client("dynamodb", config=config)


def timeouts(client: Any) -> tuple[float, float]:
    """Return how long a client waits for a connection and for an answer, in seconds."""
    config = getattr(getattr(client, "meta", None), "config", None)
    forever = float("inf")  # botocore's None waits for ever
    connect, read = (getattr(config, name, 0.0) for name in ("connect_timeout", "read_timeout"))
    return (forever if connect is None else connect, forever if read is None else read)


def warn_of_timeouts(client: Any, lease: float) -> None:
    """Warn of a client of which one call that hangs would outlast a lease (in seconds)."""
    connect, read = timeouts(client)
    if max(connect, read) >= lease:
        warnings.warn(
            f"this client waits {connect:g} s for a connection and {read:g} s for an answer, which "
            f"is longer than the lease of {lease:g} s: one call that hangs loses the locks. Make "
            "it with Config(connect_timeout=1, read_timeout=2)",
            RuntimeWarning,
            stacklevel=3,
        )


@functools.cache
def method_name(operation: str) -> str:
    """Return boto3's name of an API operation ("UpdateItem" -> "update_item")."""
    return _WORD_START.sub("_", operation).lower()


def fault_of(error: Exception, *, in_doubt: bool = False) -> Fault:
    """Say what an exception of botocore means for the call that raised it.

    Takes a ClientError or BotoCoreError; the result is to be raised `from` it. `in_doubt` says that
    botocore itself sent the call before, and that this attempt may have been carried out.
    """
    if isinstance(error, exceptions.ClientError):
        return _answer(error, in_doubt=in_doubt)
    if isinstance(error, _NEVER_LEAVES):
        return Refused(type(error).__name__, str(error), resent=in_doubt)
    if isinstance(error, NEVER_LEFT) and not in_doubt:
        return NotSent(str(error))
    return NoReply(str(error))


def _answer(error: exceptions.ClientError, *, in_doubt: bool) -> Fault:
    response: dict[str, Any] = dict(error.response)
    detail = response.get("Error", {})
    code, message = detail.get("Code", "Unknown"), detail.get("Message", "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= SERVER_ERROR:
        return NoReply(f"{code}: {message}")
    return Refused(
        code,
        message,
        item=response.get("Item"),
        reasons=tuple(
            CancellationReason(
                reason.get("Code", "None"), reason.get("Message"), reason.get("Item")
            )
            for reason in response.get("CancellationReasons", ())
        ),
        resent=in_doubt,
    )
