"""What each route does: one function a route, named as its `operationId` in openapi.json."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from incoming import MAX_SHARDS, Request, integer, named, optional
from problems import Problem, Reply

from interlock import CounterClient
from interlock.errors import InterlockError, InvalidToken

if TYPE_CHECKING:
    from holders import Holders
    from proofs import Proofs

    from interlock import CounterChange, CounterState

logger = logging.getLogger("counters")
OK, CREATED, GONE = HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT


@dataclass(slots=True)
class Application:
    """What the routes work with; `proofs` is None where no signing key is configured."""

    counters: CounterClient
    holders: "Holders"
    proofs: "Proofs | None" = None


def get_counter(app: Application, request: Request) -> Reply:
    """GET /counters/{name}."""
    state = app.counters.counter(request.name).inspect()
    if state is None:
        raise _absent(request.name)
    return Reply(OK, _described(state))


def put_counter(app: Application, request: Request) -> Reply:
    """PUT /counters/{name}: what is left out is without bound, or one shard."""
    body = request.body("floor", "ceiling", "shards")
    counter = app.counters.counter(request.name)
    made = counter.configure(
        floor=optional(body, "floor"),
        ceiling=optional(body, "ceiling"),
        shards=integer(body.get("shards", 1), "shards", 1, MAX_SHARDS),
    )
    state = counter.inspect()
    if state is None:  # somebody has deleted it since
        raise _absent(request.name)
    headers = {"Location": f"/counters/{request.name}"} if made else {}
    return Reply(CREATED if made else OK, _described(state), headers)


def delete_counter(app: Application, request: Request) -> Reply:
    """DELETE /counters/{name}."""
    if not app.counters.counter(request.name).delete():
        raise _absent(request.name)
    return Reply(GONE)


def list_counters(app: Application, request: Request) -> Reply:
    """GET /counters."""
    request.only("prefix", "after", "limit")
    states, after = app.counters.states(
        prefix=request.optional_name("prefix") or "",
        limit=request.limit(),
        after=request.optional_name("after"),
    )
    page = {"counters": [_described(state) for state in states]}
    return Reply(OK, page if after is None else {**page, "next": after})


def increment_counter(app: Application, request: Request) -> Reply:
    """POST /counters/{name}/increment."""
    counter, amount, key = _change(app, request)
    return _changed(app, request, counter.increment(amount, idempotency_key=key))


def decrement_counter(app: Application, request: Request) -> Reply:
    """POST /counters/{name}/decrement."""
    counter, amount, key = _change(app, request)
    return _changed(app, request, counter.decrement(amount, idempotency_key=key))


def reset_counter(app: Application, request: Request) -> Reply:
    """POST /counters/{name}/reset."""
    to = optional(request.body("to"), "to")
    counter = app.counters.counter(request.name)
    if counter.inspect() is None:
        raise _absent(request.name)
    told: dict[str, Any] = {"name": request.name, "value": counter.reset(to)}
    if app.proofs is not None:
        told["receipt"] = _receipt(app.proofs, request, request.name, told["value"], amount=None)
    return Reply(OK, told)


def create_transfer(app: Application, request: Request) -> Reply:
    """POST /transfers."""
    parts = ("from", "to", "amount")
    body = request.body(*parts, needed=parts)
    source, target = named(body["from"], "from"), named(body["to"], "to")
    amount = integer(body["amount"], "amount", 1)
    key = request.idempotency_key
    done = app.counters.transfer(source, target, amount, idempotency_key=key)
    return Reply(
        OK,
        {
            "from": _told(app, request, source, done.source),
            "to": _told(app, request, target, done.target),
            "amount": amount,
            "replayed": done.replayed,
        },
    )


def get_lock(app: Application, request: Request) -> Reply:
    """GET /locks/{name}: what its holder has stored with it is not shown."""
    record = app.holders.inspect(request.lock_name)
    if record is None:
        detail = f"nobody ever held a lock {request.lock_name!r}"
        raise Problem(HTTPStatus.NOT_FOUND, "lock-not-found", detail)
    return Reply(
        OK,
        {
            "name": record.name,
            "held": record.held,
            "fencing_token": record.fencing_token,
            "owner": record.owner,
            "lease_seconds": record.lease.total_seconds() if record.lease else None,
            "since": record.since.isoformat() if record.since else None,
        },
    )


def get_openapi(app: Application, request: Request) -> Reply:  # noqa: ARG001 - a route's signature
    """GET /openapi.json."""
    return Reply(OK, _document())


def get_jwks(app: Application, request: Request) -> Reply:  # noqa: ARG001 - a route's signature
    """GET /.well-known/jwks.json."""
    return Reply(OK, _proofs(app).key_set, {"Cache-Control": "public, max-age=300"})


def verify_receipt(app: Application, request: Request) -> Reply:
    """POST /receipts/verify."""
    text = request.body("receipt", needed=("receipt",))["receipt"]
    try:
        receipt = _proofs(app).verify(text)
    except InvalidToken as error:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "receipt-rejected",
            str(error),
            field="receipt",
            reason=type(error).__name__,
        ) from error
    return Reply(OK, {**asdict(receipt), "time": receipt.time.isoformat()})


def _proofs(app: Application) -> "Proofs":
    if app.proofs is None:
        detail = "this deployment has no signing key, so there are no receipts"
        raise Problem(HTTPStatus.NOT_FOUND, "no-signing-key", detail)
    return app.proofs


@cache
def _document() -> Any:
    import json  # noqa: PLC0415 - loaded already; named where it is used

    return json.loads(Path(__file__).with_name("openapi.json").read_text("utf-8"))


def _change(app: Application, request: Request) -> tuple[Any, int, str | None]:
    amount = integer(request.body("amount", needed=("amount",))["amount"], "amount", 1)
    return app.counters.counter(request.name), amount, request.idempotency_key


def _changed(app: Application, request: Request, change: "CounterChange") -> Reply:
    return Reply(OK, _told(app, request, request.name, change))


def _told(app: Application, request: Request, name: str, change: "CounterChange") -> dict[str, Any]:
    told: dict[str, Any] = {"name": name, **asdict(change)}
    if app.proofs is not None:
        told["receipt"] = _receipt(
            app.proofs,
            request,
            name,
            change.value,
            amount=change.amount,
            shard=change.shard,
            previous=change.value - change.amount,
            replayed=change.replayed,
            idempotency_key=request.idempotency_key,
        )
    return told


def _receipt(
    proofs: "Proofs", request: Request, name: str, value: int, *, amount: int | None, **more: Any
) -> str | None:
    """Return the signed statement of a change, None if it cannot be signed just now.

    The change is committed: an error would tell the caller to make it again.
    """
    try:
        return proofs.receipts.issue(
            name,
            value=value,
            amount=amount,
            request_id=request.id,
            **more,
        )
    except InterlockError:
        logger.exception("no receipt for a change of %s", name)
        return None


def _described(state: "CounterState") -> dict[str, Any]:
    return asdict(state)


def _absent(name: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "counter-not-found", f"there is no counter {name!r}")


ROUTES: dict[tuple[str, str], Callable[[Application, Request], Reply]] = {
    ("GET", "/counters"): list_counters,
    ("GET", "/counters/{name}"): get_counter,
    ("PUT", "/counters/{name}"): put_counter,
    ("DELETE", "/counters/{name}"): delete_counter,
    ("POST", "/counters/{name}/increment"): increment_counter,
    ("POST", "/counters/{name}/decrement"): decrement_counter,
    ("POST", "/counters/{name}/reset"): reset_counter,
    ("POST", "/transfers"): create_transfer,
    ("GET", "/locks/{name}"): get_lock,
    ("GET", "/.well-known/jwks.json"): get_jwks,
    ("POST", "/receipts/verify"): verify_receipt,
    ("GET", "/openapi.json"): get_openapi,
}
