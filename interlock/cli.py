"""The command `interlock`: counters, locks and receipts from a shell (`interlock[cli]`).

It talks to the HTTP API, signed with SigV4 by the credentials that the AWS CLI would use.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import quote, urlencode

import boto3

try:
    import click
except ImportError as missing:
    raise ImportError("the command needs click: pip install 'interlock[cli]'") from missing
from botocore.awsrequest import AWSRequest
from botocore.exceptions import NoCredentialsError
from botocore.httpsession import URLLib3Session

from interlock.errors import InvalidValue
from interlock.signing import sigv4

__all__ = ["main"]

TIMEOUT = 30  # seconds; API Gateway itself gives up after 29
UNAVAILABLE, REFUSED, MISUSE = 3, 1, 2


class Api:
    """The HTTP API at a URL; prints answers, and ends the program on a problem."""

    def __init__(self, url: str, *, key: str | None, as_json: bool) -> None:
        self._url = url.rstrip("/")
        self._own = {"Accept": "application/json", **({"x-api-key": key} if key else {})}
        self._as_json = as_json
        self._session = boto3.Session()

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Send a request and return the answer's JSON."""
        url, own = self._url + path, {**self._own, **(headers or {})}
        data = b"" if body is None else json.dumps(body).encode()
        if body is not None:
            own["Content-Type"] = "application/json"
        own |= self._signature(method, url, own, data)
        request = AWSRequest(method, url, headers=own, data=data)
        try:
            answer = URLLib3Session(timeout=TIMEOUT).send(request.prepare())
        except Exception as error:  # noqa: BLE001 - botocore's, urllib3's and the socket's
            _fail(f"cannot reach {self._url}: {error}", UNAVAILABLE)
        try:
            content: dict[str, Any] = json.loads(answer.content or b"{}")
        except ValueError:
            _fail(f"{self._url} answered {answer.status_code}, and not in JSON", UNAVAILABLE)
        if answer.status_code >= 400:  # noqa: PLR2004 - the classes of HTTP
            self._refuse(answer.status_code, content)
        return content

    def _refuse(self, status: int, content: Mapping[str, Any]) -> NoReturn:
        if self._as_json:
            click.echo(json.dumps(content), err=True)
            sys.exit(REFUSED)
        detail = content.get("detail") or content.get("message") or "no reason given"
        _fail(f"{detail} ({status})", REFUSED)

    def show(self, content: Mapping[str, Any], text: str) -> None:
        """Print an answer: for people, or whole as JSON."""
        click.echo(json.dumps(content) if self._as_json else text)

    def _signature(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> dict[str, str]:
        if self._session.region_name is None:
            _fail("no region; set AWS_REGION to the API's", MISUSE)
        try:
            return sigv4(self._session).sign(method, url, headers=headers, body=body)
        except NoCredentialsError:
            _fail("no AWS credentials; run `aws configure` or set AWS_PROFILE", MISUSE)
        except InvalidValue as error:
            _fail(f"the request cannot be signed: {error}", MISUSE)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"interlock: {message}", err=True)
    sys.exit(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--url",
    envvar="INTERLOCK_API_URL",
    show_envvar=True,
    help="The API's URL with its stage: the output ApiUrl of the stack.",
)
@click.option(
    "--api-key",
    envvar="INTERLOCK_API_KEY",
    show_envvar=True,
    help="Your key of the API's usage plan; better given by the variable, which no list shows.",
)
@click.option("--json", "as_json", is_flag=True, help="Print answers and problems as JSON.")
@click.version_option(package_name="interlock")
@click.pass_context
def main(context: click.Context, url: str | None, api_key: str | None, *, as_json: bool) -> None:
    """Count, look at locks, and verify receipts through Interlock's HTTP API.

    Requests are signed with the credentials and region that the AWS CLI uses. Exits with 0 for
    success, 1 if the API refused, 2 for misuse, 3 if the API cannot be reached.
    """
    if url is None:
        raise click.UsageError("give --url or set INTERLOCK_API_URL (the stack's output ApiUrl)")
    if not url.startswith(("https://", "http://")):
        raise click.UsageError(f"--url {url!r} is not an http(s) URL")
    context.obj = Api(url, key=api_key, as_json=as_json)


@main.group()
def counter() -> None:
    """Read and change counters."""


@main.group()
def lock() -> None:
    """Look at locks."""


@main.group()
def receipt() -> None:
    """Verify the signed receipts of changes."""


_key = click.option("--key", help="Idempotency key: repeating the command counts once.")
_name = click.argument("name")
_by = click.argument("amount", type=click.IntRange(min=1), default=1)


@counter.command()
@_name
@click.pass_obj
def get(api: Api, name: str) -> None:
    """Print a counter's value."""
    state = api.call("GET", _path(name))
    api.show(state, str(state["value"]))


@counter.command()
@_name
@_by
@_key
@click.pass_obj
def increment(api: Api, name: str, amount: int, key: str | None) -> None:
    """Add AMOUNT (default 1) and print the new value."""
    _change(api, name, "increment", amount, key)


@counter.command()
@_name
@_by
@_key
@click.pass_obj
def decrement(api: Api, name: str, amount: int, key: str | None) -> None:
    """Take AMOUNT (default 1) away and print the new value."""
    _change(api, name, "decrement", amount, key)


@counter.command()
@_name
@click.option("--to", type=int, help="The value to set (default: where the counter starts).")
@click.pass_obj
def reset(api: Api, name: str, to: int | None) -> None:
    """Set a counter's value."""
    done = api.call("POST", _path(name) + "/reset", {} if to is None else {"to": to})
    api.show(done, str(done["value"]))


@counter.command()
@_name
@click.option("--floor", type=int, help="The least value (default: none).")
@click.option("--ceiling", type=int, help="The greatest value (default: none).")
@click.option("--shards", type=click.IntRange(1, 64), default=1, show_default=True)
@click.pass_obj
def create(api: Api, name: str, floor: int | None, ceiling: int | None, shards: int) -> None:
    """Create a counter, or give an existing one these bounds and shards."""
    body = {"floor": floor, "ceiling": ceiling, "shards": shards}
    state = api.call("PUT", _path(name), body)
    bounds = f"floor {state['floor']}, ceiling {state['ceiling']}, shards {state['shards']}"
    api.show(state, f"{name}: {state['value']} ({bounds})")


@counter.command()
@_name
@click.pass_obj
def delete(api: Api, name: str) -> None:
    """Delete a counter."""
    api.show(api.call("DELETE", _path(name)), f"{name} is deleted")


@counter.command("list")
@click.option("--prefix", help="Only names that begin so.")
@click.pass_obj
def list_counters(api: Api, prefix: str | None) -> None:
    """Print all counters and their values, one a line."""
    query = {"prefix": prefix} if prefix else {}
    while True:
        page = api.call("GET", "/counters" + (f"?{urlencode(query)}" if query else ""))
        for entry in page["counters"]:
            api.show(entry, f"{entry['name']}\t{entry['value']}")
        if "next" not in page:
            return
        query["after"] = page["next"]


@lock.command("show")
@_name
@click.pass_obj
def show_lock(api: Api, name: str) -> None:
    """Print who holds a lock."""
    state = api.call("GET", f"/locks/{quote(name)}")
    token = f"fencing token {state['fencing_token']}"
    if not state["held"]:
        api.show(state, f"{state['name']}: free, last {token}")
        return
    held = f"held by {state['owner']} since {state['since']}, lease {state['lease_seconds']:g} s"
    api.show(state, f"{state['name']}: {held}, {token}")


@receipt.command()
@click.argument("jws", default="-")
@click.pass_obj
def verify(api: Api, jws: str) -> None:
    """Say what a genuine receipt JWS states ("-", the default, reads it from standard input)."""
    text = sys.stdin.read().strip() if jws == "-" else jws
    stated = api.call("POST", "/receipts/verify", {"receipt": text})
    api.show(stated, "\n".join(f"{k}: {v}" for k, v in stated.items()))


def _change(api: Api, name: str, verb: str, amount: int, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    done = api.call("POST", f"{_path(name)}/{verb}", {"amount": amount}, headers)
    api.show(done, str(done["value"]))


def _path(name: str) -> str:
    return f"/counters/{quote(name, safe='')}"
