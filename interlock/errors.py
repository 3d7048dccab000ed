"""Every exception that Interlock raises on purpose.

All derive from `InterlockError`. Each names the value at fault, the limit, and the way out.
"""


class InterlockError(Exception):
    """Whatever Interlock raises; catch it to catch them all."""


class TableNotFound(InterlockError):
    """The coordination table does not exist in this account and region."""

    def __init__(self, table: str) -> None:
        super().__init__(
            f"table {table!r} does not exist in this account and region; deploy a "
            f"CoordinationTable and pass its name, or check AWS_REGION and AWS_ENDPOINT_URL"
        )
        self.table = table


class AccessDenied(InterlockError):
    """The caller's credentials do not allow the call; the text says which grant does."""


class Throttled(InterlockError):
    """The store kept refusing for its rate until the deadline; nothing was written."""


class ServiceUnavailable(InterlockError):
    """The store could not be reached until the deadline; nothing was written."""


class OutcomeUnknown(InterlockError):
    """A write was sent and its answer was lost: it may have happened, once, or not at all."""


class InvalidValue(InterlockError, ValueError):
    """A value that DynamoDB cannot hold, found before anything was sent."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
