"""Asking KMS: repeated while it throttles or falls silent, until a deadline."""

from typing import Any

from interlock._protocol.faults import NoReply, NotSent, Refused
from interlock._protocol.requests import Operation, call, draw, monotonic, sleep
from interlock.errors import AccessDenied, KeyUnusable, ServiceUnavailable, SigningError, Throttled

# "Full jitter": https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 2.0

# https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
_UNUSABLE = frozenset(
    {
        "DisabledException",
        "KMSInvalidStateException",
        "KeyUnavailableException",
        "NotFoundException",
    }
)
_DENIED = frozenset({"AccessDeniedException", "AccessDenied"})


def ask(operation: str, *, timeout: float, **params: Any) -> Operation[Any]:
    """Call KMS and return its response. Nothing here changes a key, so repeating is harmless.

    Raises AccessDenied, KeyUnusable, Throttled or ServiceUnavailable after `timeout` seconds, and
    SigningError for any other refusal, with KMS's code in its text.
    """
    deadline = (yield from monotonic()) + timeout
    attempt = 0
    while True:
        try:
            return (yield from call(operation, **params))
        except Refused as refusal:
            if not refusal.throttled:
                raise _refusal(operation, params, refusal) from refusal
            failure: SigningOutage = Throttled, refusal
        except (NoReply, NotSent) as fault:
            failure = ServiceUnavailable, fault
        ceiling = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt)
        pause = (yield from draw()) * ceiling
        if (yield from monotonic()) + pause >= deadline:
            error, cause = failure
            raise error(f"KMS did not answer {operation} within {timeout:g} s: {cause}") from cause
        yield from sleep(pause)
        attempt += 1


SigningOutage = tuple[type[Throttled] | type[ServiceUnavailable], Exception]


def _refusal(
    operation: str, params: dict[str, Any], refusal: Refused
) -> AccessDenied | SigningError:
    key = params.get("KeyId")
    if refusal.code in _DENIED:
        return AccessDenied(f"no permission for kms:{operation} on {key}: {refusal.message}")
    if refusal.code in _UNUSABLE:
        return KeyUnusable(f"KMS does not use {key}: {refusal}")
    return SigningError(f"KMS refused {operation} with {key}: {refusal}")
