"""The queue of the lock "a": who stands in it, who enters it, and what ends the wait."""

from typing import Any

import pytest

from interlock._protocol.locks import queue, record
from interlock._protocol.locks.ticket import Ticket
from interlock._protocol.requests import Time
from tests.unit.locks.scripted import EPOCH, TABLE

LEASE = 20.0


def line(process, name="a"):
    """Return the tickets in a lock's queue."""
    row = process.driver.row(name) or {}
    return [entry["S"] for entry in row.get("queue", {"L": []})["L"]]


def enter(process, owner="w", sleeps=0):
    """Put the ticket of a process that never looks into the queue."""
    number = len(line(process))
    ticket = Ticket(f"t{number}", 1_700_000_000_000 + number, sleeps, owner).text
    call = queue.entry_call(TABLE, "a", ticket=ticket, last=99, asked=10**14)
    process.driver.store.perform(call.operation, call.params)
    return ticket


def fail(seconds=1.0):
    """Let an acquisition's time be up in the end."""
    return {"fair": True, "timeout": seconds}


def when(driver, seconds, act):
    """Return what is to happen during the pauses: this, once, when so many seconds have passed."""
    due, done = driver.now + seconds, list[Any]()

    def perhaps():
        if driver.now >= due and not done:
            done.append(act())

    return [perhaps] * 10_000


def give_back_in_a_commit(process, grant):
    action = record.release_action(TABLE, "a", grant.fence, time=Time(EPOCH, EPOCH))
    process.driver.store.perform("TransactWriteItems", {"TransactItems": [action]})


def waiting(process, **options):
    """Return an acquisition that stands in the queue, and was interrupted in its first pause."""
    acquisition = process.acquisition(fair=True, **options)

    def stop():
        raise KeyboardInterrupt

    process.driver.during_sleep = [stop]
    with pytest.raises(KeyboardInterrupt):
        process.driver.run(acquisition.run())
    return acquisition


def leaves_the_queue(_operation, params):
    return params.get("UpdateExpression", "").startswith("REMOVE #queue[")
