"""What each route does: one function a route, named as its `operationId` in openapi.json."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from problems import Problem, Reply
from request import MAX_SHARDS, Request, integer, named, optional

from interlock import CounterClient
from interlock.errors import AlgorithmUnavailable, InterlockError, InvalidToken

if TYPE_CHECKING:
    from locks import Locks
    from receipts import Receipts

    from interlock import CounterChange, CounterState

logger = logging.getLogger("counters")
OK, CREATED, GONE = HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT


@dataclass(slots=True)
class Services:
    """What the routes work with; `receipts` is None where no signing key is configured."""

    counters: CounterClient
    locks: "Locks"
    receipts: "Receipts | None" = None


def get_counter(services: Services, request: Request) -> Reply:
    """GET /counters/{name}."""
    state = services.counters.counter(request.name).inspect()
    if state is None:
        raise _absent(request.name)
    return Reply(OK, _described(state))


def put_counter(services: Services, request: Request) -> Reply:
    """PUT /counters/{name}: what is left out is without bound, or one shard."""
    body = request.body("floor", "ceiling", "shards")
    counter = services.counters.counter(request.name)
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


def delete_counter(services: Services, request: Request) -> Reply:
    """DELETE /counters/{name}."""
    if not services.counters.counter(request.name).delete():
        raise _absent(request.name)
    return Reply(GONE)


def list_counters(services: Services, request: Request) -> Reply:
    """GET /counters."""
    request.only("prefix", "after", "limit")
    states, after = services.counters.states(
        prefix=request.optional_name("prefix") or "",
        limit=request.limit(),
        after=request.optional_name("after"),
    )
    page = {"counters": [_described(state) for state in states]}
    return Reply(OK, page if after is None else {**page, "next": after})


def increment_counter(services: Services, request: Request) -> Reply:
    """POST /counters/{name}/increment."""
    counter, amount, key = _change(services, request)
    return _changed(services, request, counter.increment(amount, idempotency_key=key))


def decrement_counter(services: Services, request: Request) -> Reply:
    """POST /counters/{name}/decrement."""
    counter, amount, key = _change(services, request)
    return _changed(services, request, counter.decrement(amount, idempotency_key=key))


def reset_counter(services: Services, request: Request) -> Reply:
    """POST /counters/{name}/reset."""
    to = optional(request.body("to"), "to")
    counter = services.counters.counter(request.name)
    if counter.inspect() is None:
        raise _absent(request.name)
    told: dict[str, Any] = {"name": request.name, "value": counter.reset(to)}
    if services.receipts is not None:
        told["receipt"] = _receipt(
            services.receipts, request, request.name, told["value"], amount=None
        )
    return Reply(OK, told)


def create_transfer(services: Services, request: Request) -> Reply:
    """POST /transfers."""
    parts = ("from", "to", "amount")
    body = request.body(*parts, needed=parts)
    source, target = named(body["from"], "from"), named(body["to"], "to")
    amount = integer(body["amount"], "amount", 1)
    key = request.idempotency_key
    done = services.counters.transfer(source, target, amount, idempotency_key=key)
    return Reply(
        OK,
        {
            "from": _told(services, request, source, done.source),
            "to": _told(services, request, target, done.target),
            "amount": amount,
            "replayed": done.replayed,
        },
    )


def get_lock(services: Services, request: Request) -> Reply:
    """GET /locks/{name}: what its holder has stored with it is not shown."""
    record = services.locks.inspect(request.lock_name)
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


def get_openapi(services: Services, request: Request) -> Reply:  # noqa: ARG001 - a route's signature
    """GET /openapi.json."""
    return Reply(OK, _document())


def get_jwks(services: Services, request: Request) -> Reply:  # noqa: ARG001 - a route's signature
    """GET /.well-known/jwks.json."""
    return Reply(OK, _receipts(services).key_set, {"Cache-Control": "public, max-age=300"})


def verify_receipt(services: Services, request: Request) -> Reply:
    """POST /receipts/verify."""
    text = request.body("receipt", needed=("receipt",))["receipt"]
    try:
        receipt = _receipts(services).verify(text)
    except (AlgorithmUnavailable, InvalidToken) as error:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "receipt-rejected",
            str(error),
            field="receipt",
            reason=type(error).__name__,
        ) from error
    return Reply(OK, {**asdict(receipt), "time": receipt.time.isoformat()})


def _receipts(services: Services) -> "Receipts":
    if services.receipts is None:
        detail = "this deployment has no signing key, so there are no receipts"
        raise Problem(HTTPStatus.NOT_FOUND, "no-signing-key", detail)
    return services.receipts


@cache
def _document() -> Any:
    import json  # noqa: PLC0415 - loaded already; named where it is used

    return json.loads(Path(__file__).with_name("openapi.json").read_text("utf-8"))


def _change(services: Services, request: Request) -> tuple[Any, int, str | None]:
    amount = integer(request.body("amount", needed=("amount",))["amount"], "amount", 1)
    return services.counters.counter(request.name), amount, request.idempotency_key


def _changed(services: Services, request: Request, change: "CounterChange") -> Reply:
    return Reply(OK, _told(services, request, request.name, change))


def _told(
    services: Services, request: Request, name: str, change: "CounterChange"
) -> dict[str, Any]:
    told: dict[str, Any] = {"name": name, **asdict(change)}
    if services.receipts is not None:
        told["receipt"] = _receipt(
            services.receipts,
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
    receipts: "Receipts",
    request: Request,
    name: str,
    value: int,
    *,
    amount: int | None,
    **more: Any,
) -> str | None:
    """Return the signed statement of a change, None if it cannot be signed just now.

    The change is committed: an error would tell the caller to make it again.
    """
    try:
        return receipts.issuer.issue(
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


ROUTES: dict[tuple[str, str], Callable[[Services, Request], Reply]] = {
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
