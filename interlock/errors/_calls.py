"""Errors of any call to a service, and of what is refused before one."""

from interlock.errors._base import InterlockError


class TableNotFound(InterlockError):
    """The coordination table does not exist in this account and region."""

    def __init__(self, table: str) -> None:
        super().__init__(
            f"table {table!r} does not exist in this account and region; make it by "
            f"a CoordinationTable or interlock.create_table, or check AWS_REGION and "
            f"AWS_ENDPOINT_URL"
        )
        self.table = table


class TableUnfit(InterlockError):
    """A table exists and is not one that the library can use; `problems` says why."""

    def __init__(self, table: str, problems: list[str]) -> None:
        super().__init__(
            f"table {table!r} does not fit: {'; '.join(problems)}. Use another name, a table made "
            "by CoordinationTable or interlock.create_table, or say by layout=TableLayout(...) "
            "what this one calls its keys"
        )
        self.table = table
        self.problems = problems


class AccessDenied(InterlockError):
    """The caller's credentials do not allow the call; the text says which grant does."""


class CredentialsRejected(AccessDenied):
    """The credentials are missing, expired or not valid; no grant helps. `code` says which.

    `code` is the service's error code, or the name of botocore's exception.
    """

    def __init__(self, code: str, message: str, way_out: str) -> None:
        detail = f" ({message})" if message else ""
        super().__init__(f"the AWS credentials were not accepted: {code}{detail}; {way_out}")
        self.code = code


class RegionMissing(InterlockError, ValueError):
    """No AWS region is configured, so there is no endpoint to call."""

    def __init__(self) -> None:
        super().__init__("no region is configured: set AWS_REGION, or pass a client that has one")


class Throttled(InterlockError):
    """DynamoDB throttled the call until the deadline; nothing was written.

    `reasons` says which limit of which resource was exceeded, as far as the service reports it.
    """

    def __init__(self, message: str, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(f"{message} ({', '.join(reasons)})" if reasons else message)
        self.reasons = reasons


class ServiceUnavailable(InterlockError):
    """The store could not be reached until the deadline; nothing was written."""


class OutcomeUnknown(InterlockError):
    """A write was sent and its answer was lost: it may have happened, once, or not at all."""


class RequestRefused(InterlockError):
    """A request was refused and would be again; `code` is the store's error code.

    What botocore refuses to send has its exception as `code` (ParamValidationError,
    NoCredentialsError).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"the request was refused as {code}: {message}")
        self.code = code
        self.message = message


class InvalidValue(InterlockError, ValueError):
    """A value that DynamoDB cannot hold, found before anything was sent."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
