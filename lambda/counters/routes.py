"""Routes: one function each, named as its `operationId` in openapi.json."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callers import NO_SPEAKER, Speaker, subject_of
from conditions import expected, failed, wants_new
from problems import Problem, Reply, invalid
from request import MAX_SHARDS, Request, integer, named, optional, text_in

from interlock import CounterClient, CounterState
from interlock.errors import AlgorithmUnavailable, InterlockError, InvalidToken, InvalidValue

if TYPE_CHECKING:
    from locks import Locks
    from receipts import Receipts

    from interlock import Counter, CounterChange

logger = logging.getLogger("counters")
_NO_STATE = CounterState("", 0, None, None, 0)
"""Of no counter: each has a shard."""
OK, CREATED, GONE = HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.NO_CONTENT


@dataclass(slots=True)
class Services:
    """The services that routes use; `receipts` is None where no signing key is configured.

    `speaker` is who may name the person for whom it asks.
    """

    counters: CounterClient
    locks: "Locks"
    receipts: "Receipts | None" = None
    speaker: Speaker = NO_SPEAKER


@dataclass(frozen=True, slots=True)
class Route:
    """A function that serves requests, and the query's parameters that it knows.

    `keyless` is a write that keeps no record of an Idempotency-Key.
    """

    serve: Callable[[Services, Request], Reply]
    query: tuple[str, ...] = ()
    keyless: bool = False


def get_counter(services: Services, request: Request) -> Reply:
    """GET /counters/{name}."""
    return _described(_existing(services, request))


def put_counter(services: Services, request: Request) -> Reply:
    """PUT /counters/{name}: make it; with If-Match, give the one that is there this configuration.

    What is left out is without bound, or one shard. Repeated as it was, it is answered as before; a
    counter that is there with another configuration is left as it is.
    """
    body = request.body("floor", "ceiling", "shards")
    floor, ceiling = optional(body, "floor"), optional(body, "ceiling")
    shards = integer(body.get("shards", 1), "shards", 1, MAX_SHARDS)
    counter = services.counters.counter(request.name, floor=floor, ceiling=ceiling, shards=shards)
    state = _expected(services, request)
    if state is not None:
        known = services.counters.counter(request.name)
        known.configure(floor=floor, ceiling=ceiling, shards=shards, expected=state)
        return _described(_existing(services, request))
    if counter.create():
        return Reply(
            CREATED,
            asdict(_existing(services, request)),
            {"Location": f"/counters/{request.name}"},
        )
    if wants_new(request):
        raise failed("If-None-Match", "there is such a counter")
    state = _existing(services, request)
    if (state.floor, state.ceiling, state.shards) != (floor, ceiling, shards):
        stored = f"{_bound(state, 'floor')}, {_bound(state, 'ceiling')}, shards {state.shards}"
        detail = f"there is a counter {request.name!r} with {stored}; PATCH changes it"
        raise Problem(HTTPStatus.CONFLICT, "counter-exists", detail)
    return _described(state)


def configure_counter(services: Services, request: Request) -> Reply:
    """PATCH /counters/{name}: what is left out stays as it is; null takes a bound away."""
    body = request.body("floor", "ceiling", "shards")
    changes: dict[str, Any] = {
        bound: optional(body, bound) for bound in ("floor", "ceiling") if bound in body
    }
    if "shards" in body:
        changes["shards"] = integer(body["shards"], "shards", 1, MAX_SHARDS)
    state = _expected(services, request)
    if state is None:
        _existing(services, request)
    try:
        services.counters.counter(request.name).configure(expected=state, **changes)
    except InvalidValue as error:
        if error.path in changes or not changes:
            raise
        # What is stored is at odds with what was sent, and only that can be mended.
        raise invalid(next(iter(changes)), str(error)) from error
    return _described(_existing(services, request))


def delete_counter(services: Services, request: Request) -> Reply:
    """DELETE /counters/{name}."""
    state = _expected(services, request)
    if not services.counters.counter(request.name).delete(expected=state):
        raise _absent(request.name)
    return Reply(GONE)


def list_counters(services: Services, request: Request) -> Reply:
    """GET /counters."""
    states, after = services.counters.states(
        prefix=request.optional_name("prefix") or "",
        limit=request.limit(),
        after=request.optional_name("after"),
    )
    page = {"counters": [asdict(state) for state in states]}
    return Reply(OK, page if after is None else {**page, "next": after})


def increment_counter(services: Services, request: Request) -> Reply:
    """POST /counters/{name}/increment."""
    return _change(services, request, lambda counter: counter.increment)


def decrement_counter(services: Services, request: Request) -> Reply:
    """POST /counters/{name}/decrement."""
    return _change(services, request, lambda counter: counter.decrement)


def reset_counter(services: Services, request: Request) -> Reply:
    """POST /counters/{name}/reset."""
    to = optional(request.body("to"), "to")
    state = _expected(services, request)
    if state is None:
        _existing(services, request)
    value = services.counters.counter(request.name).reset(to, expected=state)
    done: dict[str, Any] = {"name": request.name, "value": value}
    if services.receipts is not None:
        who = subject_of(request, services.speaker)
        done["receipt"] = _receipt(
            services.receipts, request, request.name, value, amount=None, subject=who
        )
    return Reply(OK, done)


def create_transfer(services: Services, request: Request) -> Reply:
    """POST /transfers."""
    parts = ("from", "to", "amount")
    body = request.body(*parts, needed=parts)
    source, target = named(body["from"], "from"), named(body["to"], "to")
    amount = integer(body["amount"], "amount", 1)
    key = request.idempotency_key
    if request.header("If-Match") is not None:
        raise failed("If-Match", "a transfer is of two counters, and has no ETag")
    done = services.counters.transfer(source, target, amount, idempotency_key=key)
    return Reply(
        OK,
        {
            "from": _done(services, request, source, done.source),
            "to": _done(services, request, target, done.target),
            "amount": amount,
            "replayed": done.replayed,
        },
    )


def get_lock(services: Services, request: Request) -> Reply:
    """GET /locks/{name}: what its holder has stored with it is not shown."""
    record = services.locks.inspect(request.lock_name)
    if record is None:
        detail = f"the lock {request.lock_name!r} was never held"
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
    return Reply(OK, _signing(services).key_set, {"Cache-Control": "public, max-age=300"})


def verify_receipt(services: Services, request: Request) -> Reply:
    """POST /receipts/verify."""
    text = text_in(request.body("receipt", needed=("receipt",)), "receipt")
    try:
        receipt = _signing(services).verify(text)
    except (AlgorithmUnavailable, InvalidToken) as error:
        detail = str(error)
        if isinstance(error, AlgorithmUnavailable):
            detail = (
                "this deployment cannot verify by the receipt's algorithm; verify it by the key "
                "set at /.well-known/jwks.json"
            )
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "receipt-rejected",
            detail,
            field="receipt",
            reason=type(error).__name__,
        ) from error
    return Reply(OK, {**asdict(receipt), "time": receipt.time.isoformat()})


def _signing(services: Services) -> "Receipts":
    if services.receipts is None:
        detail = "this deployment has no signing key, so there are no receipts"
        raise Problem(HTTPStatus.NOT_FOUND, "no-signing-key", detail)
    return services.receipts


@cache
def _document() -> Any:
    import json  # loaded already; named where it is used

    return json.loads(Path(__file__).with_name("openapi.json").read_text("utf-8"))


def _change(
    services: Services, request: Request, verb: "Callable[[Counter], Callable[..., CounterChange]]"
) -> Reply:
    amount = integer(request.body("amount", needed=("amount",))["amount"], "amount", 1)
    counter, key = services.counters.counter(request.name), request.idempotency_key
    try:
        state = _expected(services, request)
        if wants_new(request) and not counter.create():
            raise failed("If-None-Match", "there is such a counter")
    except Problem as problem:
        if key is None or problem.status is not HTTPStatus.PRECONDITION_FAILED:
            raise
        state = _NO_STATE  # what was done under the key is answered; nothing else is done
    change = verb(counter)(amount, idempotency_key=key, expected=state)
    return Reply(OK, _done(services, request, request.name, change))


def _done(
    services: Services, request: Request, name: str, change: "CounterChange"
) -> dict[str, Any]:
    done: dict[str, Any] = {"name": name, **asdict(change)}
    if services.receipts is not None:
        done["receipt"] = _receipt(
            services.receipts,
            request,
            name,
            change.value,
            amount=change.amount,
            shard=change.shard,
            previous=change.value - change.amount,
            replayed=change.replayed,
            idempotency_key=request.idempotency_key,
            # The record of a key does not say whose it was: perhaps another's, who tells the truth.
            subject=None if change.replayed else subject_of(request, services.speaker),
        )
    return done


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


def _described(state: CounterState) -> Reply:
    return Reply(OK, asdict(state))


def _existing(services: Services, request: Request) -> CounterState:
    """Return the counter that the path names; raise the problem of one that is not there."""
    state = services.counters.counter(request.name).inspect()
    if state is None:
        raise _absent(request.name)
    return state


def _expected(services: Services, request: Request) -> CounterState | None:
    """Return the state that the write's condition is about; None without one."""
    return expected(request, services.counters.counter(request.name).inspect, _described)


def _bound(state: CounterState, which: str) -> str:
    """Return a bound in words, also one that is not there."""
    value = getattr(state, which)
    return f"no {which}" if value is None else f"{which} {value}"


def _absent(name: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "counter-not-found", f"there is no counter {name!r}")


ROUTES: dict[tuple[str, str], Route] = {
    ("GET", "/counters"): Route(list_counters, ("prefix", "after", "limit")),
    ("GET", "/counters/{name}"): Route(get_counter),
    ("PUT", "/counters/{name}"): Route(put_counter, keyless=True),
    ("PATCH", "/counters/{name}"): Route(configure_counter, keyless=True),
    ("DELETE", "/counters/{name}"): Route(delete_counter, keyless=True),
    ("POST", "/counters/{name}/increment"): Route(increment_counter),
    ("POST", "/counters/{name}/decrement"): Route(decrement_counter),
    ("POST", "/counters/{name}/reset"): Route(reset_counter, keyless=True),
    ("POST", "/transfers"): Route(create_transfer),
    ("GET", "/locks/{name}"): Route(get_lock),
    ("GET", "/.well-known/jwks.json"): Route(get_jwks),
    ("POST", "/receipts/verify"): Route(verify_receipt),
    ("GET", "/openapi.json"): Route(get_openapi),
}
