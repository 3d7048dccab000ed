"""Seats of a show, booked by HTTP: never more than there are, and once for each request.

    INTERLOCK_TABLE=coordination uvicorn app:app

An awaitable client lives as long as the application. `Idempotency-Key` makes a repeated request
harmless; without it a lost answer is reported as what it is.
"""

import os
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from interlock.aio import CounterClient
from interlock.errors import CounterLimitExceeded, IdempotencyMismatch, OutcomeUnknown

SEATS = 40


def application(client=None):
    """Return the application; `client` is for tests."""

    @asynccontextmanager
    async def lifespan(app):
        counters = CounterClient(os.environ.get("INTERLOCK_TABLE", "coordination"), client=client)
        app.state.seats = counters.counter("seats", floor=0, ceiling=SEATS)
        yield

    return Starlette(routes=[Route("/seats", book, methods=["POST"])], lifespan=lifespan)


async def book(request):
    """Book a seat."""
    key = request.headers.get("idempotency-key")
    try:
        change = await request.app.state.seats.increment(idempotency_key=key)
    except CounterLimitExceeded as full:
        return problem(409, "sold out", f"all {full.ceiling} seats are taken")
    except IdempotencyMismatch as error:
        return problem(422, "key used before", str(error))
    except OutcomeUnknown:
        return problem(503, "outcome unknown", "send it again, with an Idempotency-Key")
    return JSONResponse({"seat": int(change.value)}, status_code=201)


def problem(status, title, detail):
    """Return a problem by RFC 9457."""
    return JSONResponse(
        {"title": title, "status": status, "detail": detail},
        status_code=status,
        media_type="application/problem+json",
    )


app = application()
