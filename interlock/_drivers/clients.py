"""botocore's clients: how one is configured, which ones fit, and what their errors mean."""

import contextlib
import functools
import inspect
import os
import re
from collections.abc import Coroutine
from typing import Any

from botocore import exceptions
from botocore.config import Config

from interlock._drivers.bounds import CONNECT_TIMEOUT, READ_TIMEOUT
from interlock._protocol.faults import Fault, NoReply, NotSent, Refused
from interlock._protocol.kinds import written
from interlock._protocol.requests import Call
from interlock._wire import shapes
from interlock.errors import InvalidValue

# botocore waits 60 s for a connection and 60 s for an answer, which is longer than a lease, and
# repeats calls unseen. Operations bring their own retries, which know what may be repeated.
CLIENT_CONFIG = Config(
    connect_timeout=CONNECT_TIMEOUT,
    read_timeout=READ_TIMEOUT,
    retries={"total_max_attempts": 1, "mode": "standard"},
    user_agent_extra="interlock",
)

SERVER_ERROR = 500
_TOO_MANY = 429
_REQUEST_TIMEOUT = 408
PASSING = frozenset({_REQUEST_TIMEOUT, _TOO_MANY})
# The connection was not made. (An SSLError is not among these: it may also break off an answer.)
CONNECT_ERRORS = (
    exceptions.EndpointConnectionError,
    exceptions.ConnectTimeoutError,
    exceptions.ProxyConnectionError,
)
# Credentials that could not be fetched now; nothing was sent, and the next try may have them.
_FETCH_ERRORS = (exceptions.CredentialRetrievalError, exceptions.MetadataRetrievalError)
# botocore does not even try to connect, and would not the next time.
_CLIENT_SIDE_ERRORS = (
    exceptions.BaseEndpointResolverError,
    exceptions.EndpointProviderError,
    exceptions.NoAuthTokenError,
    exceptions.NoCredentialsError,
    exceptions.NoRegionError,
    exceptions.ParamValidationError,
    exceptions.PartialCredentialsError,
    exceptions.ProfileNotFound,
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
    exceptions.UnknownSignatureVersionError,
    exceptions.ValidationError,
)
# A client has one of these at least; an application may wrap it, and leave others out.
_CALLS = {
    "dynamodb": ("update_item", "get_item", "transact_write_items", "put_item", "create_table"),
    "kms": ("sign", "verify", "get_public_key", "generate_mac", "verify_mac"),
}
_SDKS = {"aioboto3", "aiobotocore", "boto3", "botocore"}
_WORD_START = re.compile(r"(?<!^)(?=[A-Z])")


def default_client(service: Any) -> Any:
    """Return a boto3 client made from the environment, with timeouts short of any lease.

    Only for requests that are built here, from values that were checked: that botocore does not
    check them again saves a sixth of its time. Raises `Refused` where the environment does not say
    enough.
    """
    import boto3  # only where no client is passed in

    config = CLIENT_CONFIG.merge(Config(parameter_validation=False))
    region = os.environ.get("AWS_REGION") or None  # which botocore does not look at
    try:
        return boto3.client(service, region_name=region, config=config)
    except exceptions.BotoCoreError as error:
        raise fault_of(error) from error


def checked_client(client: Any, service: str, *, awaitable: bool) -> Any:
    """Return a client that fits, or raise `InvalidValue` with the way to one that does."""
    meta = getattr(client, "meta", None)
    if hasattr(meta, "client"):
        how = _made(service, awaitable=awaitable)
        raise InvalidValue("client", f"{client!r} is a resource; pass {how}")
    kinds = {(kind.__module__.partition(".")[0], kind.__name__) for kind in type(client).__mro__}
    names = {name for package, name in kinds if package in _SDKS}
    if names & {"Session", "AioSession"}:
        raise InvalidValue("client", f"{client!r} is a session; pass session.client({service!r})")
    if "ClientCreatorContext" in names:
        how = f"async with session.create_client({service!r}) as client"
        raise InvalidValue("client", f"{client!r} has not been entered; use {how}")
    if "BaseClient" in names and ("AioBaseClient" in names) is not awaitable:
        made_by = "aiobotocore" if awaitable else "boto3"
        raise InvalidValue("client", f"{client!r} is not a client of {made_by}, which is needed")
    found = getattr(getattr(meta, "service_model", None), "service_name", service)
    if found != service:
        raise InvalidValue("client", f"{client!r} is a client of {found}, not of {service}")
    if "BaseClient" in names and _belongs_to_resource(client):
        what = "a resource's own, which takes and gives values without their types"
        how = _made(service, awaitable=awaitable)
        raise InvalidValue("client", f"{client!r} is {what}; pass {how}")
    calls = [call for name in _CALLS[service] if callable(call := getattr(client, name, None))]
    if not calls:
        how = "a client of aiobotocore" if awaitable else _made(service, awaitable=False)
        raise InvalidValue("client", f"{written(client)} has no {_CALLS[service][0]}(); pass {how}")
    if not awaitable and any(map(inspect.iscoroutinefunction, calls)):
        raise InvalidValue("client", f"{client!r} is to be awaited; use it with interlock.aio")
    return client


def _made(service: str, *, awaitable: bool) -> str:
    return f"session.create_client({service!r})" if awaitable else f"boto3.client({service!r})"


def _belongs_to_resource(client: Any) -> bool:
    """Return whether a client is the `meta.client` of one of DynamoDB's resources.

    Such a one copies the parameters of each call, to write types into them. A function that an
    application registered for the same moment may fail for want of parameters.
    """
    model = client.meta.service_model.operation_model(client.meta.service_model.operation_names[0])
    with contextlib.suppress(Exception):
        copies = client.meta.events.emit(
            f"provide-client-params.{model.service_model.service_id.hyphenize()}",
            params={},
            model=model,
            context={},
        )
        return _copied_by_resource(_at_once(copies) if inspect.iscoroutine(copies) else copies)
    return False


def _copied_by_resource(copies: Any) -> bool:
    return any(
        getattr(handler, "__module__", "") == "boto3.dynamodb.transform" for handler, _ in copies
    )


def _at_once(emitting: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine returns without waiting; nothing for one that waits.

    A resource's own functions do not wait.
    """
    try:
        emitting.send(None)
    except StopIteration as done:
        return done.value
    emitting.close()
    return ()


@functools.cache
def method_name(operation: str) -> str:
    """Return boto3's name of an API operation ("UpdateItem" -> "update_item")."""
    return _WORD_START.sub("_", operation).lower()


def fault_of_call(
    call: Call, error: Exception, *, in_doubt: bool, disbelieved: str | None
) -> Fault:
    """Return what an exception of botocore means for this call, as `fault_of` does.

    A refusal that did not come from the service, or is not one of this call, is a lost reply.
    """
    fault = fault_of(error, in_doubt=in_doubt)
    if not isinstance(fault, Refused):
        return fault
    problem = disbelieved or shapes.refusal_mismatch(call.params, fault)
    return fault if problem is None else NoReply(f"the refusal does not count: {problem}: {fault}")


def fault_of(error: Exception, *, in_doubt: bool = False) -> Fault:
    """Return what an exception of botocore means for the call that raised it.

    Takes a ClientError or BotoCoreError; the result is to be raised `from` it. `in_doubt` says that
    botocore itself sent the call before, and that this attempt may have been carried out.
    """
    if isinstance(error, exceptions.ClientError):
        return _answer(error, in_doubt=in_doubt)
    if isinstance(error, _CLIENT_SIDE_ERRORS):
        return Refused(type(error).__name__, str(error), resent=in_doubt)
    if isinstance(error, (*CONNECT_ERRORS, *_FETCH_ERRORS)) and not in_doubt:
        return NotSent(str(error))
    return NoReply(str(error))


def _answer(error: exceptions.ClientError, *, in_doubt: bool) -> Fault:
    response: dict[str, Any] = dict(error.response)
    detail = response.get("Error", {})
    code, message = detail.get("Code", "Unknown"), detail.get("Message", "")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= SERVER_ERROR:
        return NoReply(f"{code}: {message}")
    if status == _TOO_MANY:
        code = "ThrottlingException" if not code or code == str(status) else code
    elif status == _REQUEST_TIMEOUT:
        code = "RequestTimeout"
    return Refused(
        code,
        message,
        item=response.get("Item"),
        reasons=shapes.reasons_of(response),
        throttling=shapes.throttling_of(response),
        resent=in_doubt,
    )
