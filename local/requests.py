"""Plain HTTP requests with JSON bodies, as a client outside of AWS makes them."""

import http.client
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer of any status."""

    status: int
    headers: dict[str, str]
    content: bytes
    cookies: dict[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """Return the body's JSON value; raises ValueError if it is something else."""
        return json.loads(self.content)


def request(
    method: str,
    url: str,
    body: object = None,
    *,
    headers: dict[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> Answer:
    """Send a request and return the answer, whatever its status.

    `body` is sent as JSON, bytes are sent as they are. `timeout` is in seconds. Raises OSError
    if no answer comes.
    """
    parts = urlsplit(url)
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    sent = {"Content-Type": "application/json"} if content is not None else {}
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=timeout)
    try:
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request(method, target or "/", content, sent | (headers or {}))
        answer = connection.getresponse()
        set_cookies = answer.headers.get_all("Set-Cookie") or []
        cookies = dict(line.partition(";")[0].split("=", 1) for line in set_cookies)
        return Answer(answer.status, dict(answer.getheaders()), answer.read(), cookies)
    except http.client.HTTPException as error:
        raise ConnectionError(f"{method} {url}: {error!r}") from error
    finally:
        connection.close()
