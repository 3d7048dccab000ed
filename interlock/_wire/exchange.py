"""A call as bytes, and bytes as its answer: all that one service's wire needs, without a socket."""

import re
import sys
import time
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

from interlock._dataclasses import dataclass
from interlock._protocol.faults import Fault, NoReply, Refused
from interlock._protocol.requests import Call
from interlock._protocol.sigv4 import authorization, canonical_path
from interlock._wire import codec, shapes
from interlock._wire.credentials import Credentials
from interlock._wire.endpoints import Endpoint
from interlock._wire.http1 import Response

_OK = 200
_REQUEST_TIMEOUT = 408
_TOO_MANY = 429
_CLIENT_ERRORS = range(400, 500)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7; the names are English in every locale.
_DATE = re.compile(
    r"[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (\d{4}) ([01]\d|2[0-3]):([0-5]\d):([0-5]\d|60) GMT\Z"
)
_TRACE_VARIABLE = "_X_AMZN_TRACE_ID"  # of the invocation that a Lambda function is in


@dataclass(frozen=True, slots=True)
class Service:
    """A service on the wire: the name it is signed for, and its JSON protocol."""

    name: str
    target: str
    version: str


SERVICES = {
    "dynamodb": Service("dynamodb", "DynamoDB_20120810", "1.0"),
    "kms": Service("kms", "TrentService", "1.1"),
}


class Exchange:
    """Turns calls to one service at one endpoint into requests, and responses into replies.

    Safe to share between threads.
    """

    def __init__(self, service: Service, endpoint: Endpoint, environ: Mapping[str, str]) -> None:
        self.service = service
        self.endpoint = endpoint
        self._environ = environ
        self._content_type = f"application/x-amz-json-{service.version}"
        path = endpoint.path or "/"
        self._canonical = f"POST\n{canonical_path(path)}\n\n"  # what is signed begins with this
        self._head = (
            f"POST {path} HTTP/1.1\r\n"
            f"host: {endpoint.authority}\r\n"
            f"content-type: {self._content_type}\r\n"
            "accept-encoding: identity\r\n"
            f"user-agent: interlock lang/python#{sys.version_info[0]}.{sys.version_info[1]}\r\n"
        )
        self._traced = "AWS_LAMBDA_FUNCTION_NAME" in environ

    def request(self, call: Call, credentials: Credentials, now: float) -> bytes:
        """Return the signed request, as of a time in seconds since the epoch.

        Raises `Refused` ("ParamValidationError") for parameters that have no form in it.
        """
        try:
            body = codec.encode(call.params)
        except (TypeError, ValueError) as error:
            raise Refused("ParamValidationError", str(error)) from error
        if not f"{credentials.access_key}{credentials.token}".isprintable():  # they are sent
            raise Refused("InvalidClientTokenId", "the credentials have a line break in them")
        timestamp = _timestamp(int(now))
        target = f"{self.service.target}.{call.operation}"
        headers = {  # in the order of their names
            "content-type": self._content_type,
            "host": self.endpoint.authority,
            "x-amz-date": timestamp,
        }
        token = ""
        if credentials.token is not None:
            headers["x-amz-security-token"] = credentials.token
            token = f"x-amz-security-token: {credentials.token}\r\n"
        headers["x-amz-target"] = target
        lines = "\n".join([f"{name}:{value}" for name, value in headers.items()])
        names = ";".join(headers)
        signature = authorization(
            f"{self._canonical}{lines}\n\n{names}\n{sha256(body).hexdigest()}",
            headers,
            credentials=credentials,
            service=self.service.name,
            region=self.endpoint.region,
            timestamp=timestamp,
        )
        trace = ""
        if self._traced and (trace_id := self._environ.get(_TRACE_VARIABLE)):
            trace = f"x-amzn-trace-id: {trace_id}\r\n"
        head = (
            f"{self._head}x-amz-date: {timestamp}\r\nx-amz-target: {target}\r\n{token}{trace}"
            f"authorization: {signature}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        try:
            return head.encode("ascii") + body
        except UnicodeEncodeError as error:
            raise Refused("InvalidClientTokenId", "the credentials are not ASCII") from error

    def reply(self, call: Call, response: Response) -> Mapping[str, Any]:
        """Return the service's reply to a call, or raise `Refused` or `NoReply`."""
        checksum = response.headers.get("x-amz-crc32")
        if checksum is not None and checksum != str(zlib.crc32(response.body)):
            raise NoReply("the checksum of the answer does not fit its body")
        try:
            if response.status != _OK:
                raise _failure(call, response)
            if "x-amzn-requestid" not in response.headers:
                raise NoReply("the answer has no request id, so it is not the service's")
            return shapes.checked(call, codec.decode(call.operation, response.body))
        except (ValueError, RecursionError) as error:
            raise NoReply(f"the answer is not the service's: {error}") from error


def answered(response: Response) -> Response:
    """Return a response that came over a connection which was kept, or raise `NoReply`.

    A server that is tired of an idle connection says 408 and closes it. If a request crosses that
    on the way, it is not known whether it was read.
    """
    if response.status == _REQUEST_TIMEOUT:
        raise NoReply("the service was closing the connection as the request was sent")
    return response


@lru_cache(maxsize=2)  # as of the second, in which many calls may be signed
def _timestamp(now: int) -> str:
    return time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))


def date_of(response: Response) -> float | None:
    """Return when the service answered, in seconds since the epoch; None if it did not say."""
    return _instant(response.headers.get("date", ""))


@lru_cache(maxsize=2)  # it changes once a second, in which hundreds of answers may come
def _instant(text: str) -> float | None:
    found = _DATE.match(text)
    if found is None:
        return None
    day, month, year, *clock = found.groups()
    try:
        hour, minute, second = map(int, clock)
        date = datetime(int(year), _MONTHS.index(month) + 1, int(day), tzinfo=UTC)
        return date.timestamp() + hour * 3600 + minute * 60 + second
    except ValueError:
        return None


def _failure(call: Call, response: Response) -> Fault:
    """Return what an answer other than 200 means."""
    status = response.status
    if status not in _CLIENT_ERRORS:
        return NoReply(f"the service answered {status}: {response.body[:200]!r}")
    try:
        found: Any = codec.decode("", response.body)
    except (ValueError, RecursionError):
        found = {}
    code = _code(found, response.headers)
    message = _text(found, "message") or _text(found, "Message")
    if status == _REQUEST_TIMEOUT:
        return Refused("RequestTimeout", message)
    if status == _TOO_MANY:
        return Refused(
            code or "ThrottlingException", message, throttling=shapes.throttling_of(found)
        )
    if not code:
        # A sign-in page, or a proxy's own refusal: nothing is known of the call.
        return NoReply(f"{status} is not the service's answer: {response.body[:200]!r}")
    refusal = Refused(
        code,
        message,
        item=found.get("Item"),
        reasons=shapes.reasons_of(found),
        throttling=shapes.throttling_of(found),
    )
    problem = shapes.refusal_mismatch(call.params, refusal)
    if "x-amzn-requestid" not in response.headers:
        problem = "it has no request id"
    if problem is not None:
        return NoReply(f"the refusal is not one of this {call.operation}: {problem}")
    return refusal


def _code(found: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """Return an error's code: "ns#Code" or "Code:where" in the body, or else in a header."""
    text = _text(found, "__type") or _text(found, "code") or headers.get("x-amzn-errortype", "")
    return text.rpartition("#")[2].partition(":")[0].strip()


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    return value if isinstance(value, str) else ""
