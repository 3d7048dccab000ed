"""DynamoDB over HTTP in memory: the simulator's store behind bytes, and what else may be said."""

import base64
import json
import random
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from interlock._protocol.faults import Refused
from interlock.testing._store.store import Store

DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
HONEST = "honest"


class Blob(json.JSONEncoder):
    """Writes binary values in base64."""

    def default(self, value: Any) -> Any:
        """Return text for bytes."""
        return base64.b64encode(value).decode()


def http(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """Return a response with a length."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", f"Date: {DATE}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(status: int, found: Any, **headers: str) -> bytes:
    """Return an answer as the service gives it: JSON, with a request id and a checksum."""
    body = json.dumps(found, cls=Blob).encode()
    own = {"x-amzn-RequestId": "R" * 52, "x-amz-crc32": str(zlib.crc32(body))}
    return http(status, body, own | headers)


def chunked(response: bytes, rng: random.Random) -> bytes:
    """Return the same response in chunks, as DynamoDB Local sends large ones."""
    head, _, body = response.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    out = b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", b""])
    while body:
        size = rng.randint(1, len(body))
        out += b"%x\r\n%s\r\n" % (size, body[:size])
        body = body[size:]
    return out + b"0\r\n\r\n"


@dataclass
class Request:
    """A request that arrived whole."""

    headers: dict[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """The API operation that it asks for."""
        return self.headers["x-amz-target"].rpartition(".")[2]

    @property
    def params(self) -> dict[str, Any]:
        """Its parameters."""
        found: dict[str, Any] = json.loads(self.body)
        return found


def parsed(data: bytes) -> tuple[Request, int] | None:
    """Return a whole request and its size, None if it is not whole yet."""
    head, end, rest = data.partition(b"\r\n\r\n")
    if not end:
        return None
    lines = head.decode().split("\r\n")[1:]
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    size = int(headers["content-length"])
    return (Request(headers, rest[:size]), len(head) + 4 + size) if len(rest) >= size else None


@dataclass
class Service:
    """Carries requests out on a store. `carried_out` counts them, `received` those that came."""

    store: Store = field(default_factory=Store)
    received: list[Request] = field(default_factory=list)
    carried_out: list[Request] = field(default_factory=list)
    told: list[bytes] = field(default_factory=list)

    def perform(self, request: Request) -> bytes:
        """Carry a request out and return the honest answer."""
        try:
            reply = self.store.perform(request.operation, request.params)
        except Refused as refusal:
            return answer(400, error_of(refusal))
        self.carried_out.append(request)
        return answer(200, reply)


def error_of(refusal: Refused) -> dict[str, Any]:
    """Return a refusal as the body of the service's answer."""
    found: dict[str, Any] = {
        "__type": f"com.amazonaws.dynamodb.v20120810#{refusal.code}",
        "message": refusal.message,
    }
    if refusal.item is not None:
        found["Item"] = refusal.item
    if refusal.reasons:
        found["CancellationReasons"] = [
            {"Code": one.code}
            | ({"Message": one.message} if one.message else {})
            | ({"Item": one.item} if one.item else {})
            for one in refusal.reasons
        ]
    return found


def _body(honest: bytes) -> bytes:
    return honest.partition(b"\r\n\r\n")[2]


# What may come instead of the honest answer, made from it.
LIES: dict[str, Callable[[bytes], bytes]] = {
    "a page": lambda _: http(200, b"<html>sign in</html>", {"Content-Type": "text/html"}),
    "nothing": lambda _: http(200, b""),
    "an empty object": lambda _: http(200, b"{}"),
    "a list": lambda _: answer(200, []),
    "no request id": lambda honest: http(200, _body(honest)),
    "another checksum": lambda honest: http(
        200, _body(honest), {"x-amzn-RequestId": "R", "x-amz-crc32": "1"}
    ),
    "another item": lambda _: answer(200, {"Item": {"pk": {"S": "another"}}}),
    "cut short": lambda honest: honest[: len(honest) // 2],
    "a byte too many": lambda honest: honest + b"\n",
    "twice": lambda honest: honest + honest,
    "no HTTP": lambda _: b"SSH-2.0-OpenSSH_9.6\r\n",
    "500": lambda _: answer(500, {"__type": "InternalServerError"}),
    "503 in HTML": lambda _: http(503, b"<html>busy</html>"),
    "403 in HTML": lambda _: http(403, b"<html>not from here</html>"),
    "redirect": lambda _: http(302, b"", {"Location": "https://portal.example/"}),
}
