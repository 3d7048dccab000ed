"""What each call does to a lock's record, what it leaves alone, and what the store refuses."""

from typing import Any

import pytest

from interlock._protocol.faults import Refused
from interlock._protocol.locks import record
from interlock._protocol.locks.grant import Shown
from interlock._protocol.locks.settings import KEPT, MOST_LEASE
from interlock._protocol.locks.ticket import Ticket, acceptance
from interlock._protocol.requests import Time
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from tests.unit.locks.rows import refused, row, send
from tests.unit.locks.scripted import EPOCH, TABLE

NOW = int(EPOCH * 1000)
TIME = Time(EPOCH, EPOCH)
LEASE = 20.0
TICKET = Ticket("t", NOW, 1500, "waiter").text
RUN: dict[str, Any] = {"M": {"grant": {"N": "7"}}}


@pytest.fixture
def store():
    return Store(Table(TABLE))


def lay(store, fence=7, version="v", tickets=(), **attributes):
    """Let the record of the lock be this."""
    item: dict[str, Any] = {"pk": {"S": "lock#a"}, "fence": {"N": str(fence)}, **attributes}
    if version is not None:
        item |= {
            "version": {"S": version},
            "owner": {"S": "holder"},
            "lease_ms": {"N": "20000"},
            "held_since": {"N": str(NOW - 5000)},
            "held_until": {"N": str(NOW + 15000)},
            "data": {"S": "of the holder"},
        }
    if tickets:
        item["queue"] = {"L": [{"S": text} for text in tickets]}
    store.perform("PutItem", {"TableName": TABLE, "Item": item})


def number(store, name):
    return int(row(store)[name]["N"])


def grant(takeable=(), data=None, asked=NOW, time=TIME, **options):
    update = record.grant_update(
        TABLE,
        "a",
        version="new",
        owner="o",
        lease=LEASE,
        data=data,
        time=time,
        asked=asked,
        takeable=takeable,
        **options,
    )
    return record.grant_call(update)


def renew(own=("v",), **options):
    return record.renewal_call(
        TABLE, "a", version="next", lease=30.0, time=TIME, own=own, **options
    )


def release(own=("v",), **options):
    return record.release_call(TABLE, "a", time=TIME, own=own, **options)


def kept_until(lease):
    return TIME.expiry(lease + KEPT)


# Grants.


def test_a_grant_says_who_holds_it_and_for_how_long(store):
    reply = send(store, grant(data={"S": "mine"}))
    assert reply["Attributes"] == row(store)
    assert row(store) == {
        "pk": {"S": "lock#a"},
        "fence": {"N": str(NOW + 1)},
        "version": {"S": "new"},
        "owner": {"S": "o"},
        "lease_ms": {"N": "20000"},
        "held_since": {"N": str(NOW)},
        "held_until": {"N": str(NOW + 20000)},
        "data": {"S": "mine"},
        "expires": {"N": str(kept_until(LEASE))},
    }


def test_a_grant_without_data_leaves_none_of_the_one_before(store):
    lay(store, data={"S": "old"})
    send(store, grant(("v",)))
    assert "data" not in row(store)
    assert number(store, "fence") == 8


@pytest.mark.parametrize("takeable", [(), ("x",), ("x", "y")])
def test_a_lock_that_another_holds_is_not_taken(store, takeable):
    lay(store)
    assert refused(store, grant(takeable)).item == row(store)


@pytest.mark.parametrize("takeable", [("v",), ("x", "v"), ("v", "x"), ("x", "v", "y")])
def test_a_lock_is_taken_from_each_version_that_may_be(store, takeable):
    lay(store)
    send(store, grant(takeable))
    assert (row(store)["version"], number(store, "fence")) == ({"S": "new"}, 8)
    lay(store, version=None)
    send(store, grant(takeable))
    assert number(store, "fence") == 8


@pytest.mark.parametrize(("asked", "granted"), [(8, False), (9, True), (10, True)])
@pytest.mark.parametrize("takeable", [(), ("v",)])
def test_a_grant_that_was_asked_for_before_the_bound_is_void(store, asked, granted, takeable):
    lay(store, version="v" if takeable else None, void_before={"N": "9"})
    if granted:
        send(store, grant(takeable, asked=asked))
        assert number(store, "void_before") == 9
    else:
        refused(store, grant(takeable, asked=asked))


@pytest.mark.parametrize("form", ["2", "1000"])
def test_what_a_newer_version_has_written_is_not_taken(store, form):
    lay(store, version=None, format={"N": form})
    refused(store, grant())
    lay(store, version=None, format={"N": "1"})
    send(store, grant())


@pytest.mark.parametrize(
    ("off", "seed"),
    [(0.0, 0), (59.0, 59), (60.0, 60), (61.0, 0), (-59.0, -59), (3600.0, 0), (-61.0, 0)],
)
def test_the_numbering_of_a_row_that_was_deleted_goes_on_from_the_time(store, off, seed):
    send(store, grant(time=Time(EPOCH + off, EPOCH)))
    assert number(store, "fence") == NOW + seed * 1000 + 1


def test_a_lock_by_which_a_leader_was_elected_stays_one(store):
    send(store, grant())
    assert "election" not in row(store)
    send(store, grant(("new",), election=True))
    assert row(store)["election"] == {"BOOL": True}
    send(store, release(("new",)))
    send(store, grant())
    assert row(store)["election"] == {"BOOL": True}


# Heartbeats.


def test_a_heartbeat_moves_the_version_and_the_end_and_nothing_else(store):
    lay(store)
    before = row(store)
    reply = send(store, renew())
    assert reply["Attributes"]["version"] == {"S": "next"}
    assert row(store) == {
        **before,
        "version": {"S": "next"},
        "lease_ms": {"N": "30000"},
        "held_until": {"N": str(NOW + 30000)},
        "expires": {"N": str(kept_until(30.0))},
    }


def test_a_heartbeat_is_refused_with_the_record_that_has_another_version(store):
    lay(store)
    assert refused(store, renew(("x", "y"))).item == row(store)
    lay(store, version=None)
    refused(store, renew())


@pytest.mark.parametrize(("fence", "renewed"), [(6, False), (7, True), (8, False)])
def test_a_heartbeat_may_name_the_fence_that_it_has_to_meet(store, fence, renewed):
    lay(store)
    if renewed:
        send(store, renew(fence=fence))
    else:
        assert refused(store, renew(fence=fence)).item == row(store)
    assert row(store)["version"] == {"S": "next" if renewed else "v"}


@pytest.mark.parametrize(("data", "stored"), [({"S": "new"}, {"S": "new"}), (None, None)])
@pytest.mark.parametrize("run", [None, RUN])
def test_a_heartbeat_may_show_something_else_and_record_a_run(store, data, stored, run):
    lay(store)
    send(store, renew(shown=Shown(1, data), run=run))
    assert row(store).get("data") == stored
    assert row(store).get("last_run") == run
    assert number(store, "expires") == kept_until(30.0 if run is None else MOST_LEASE)


# Releases.


def test_a_release_leaves_the_fence_and_nothing_of_the_holder(store):
    lay(store)
    reply = send(store, release())
    assert reply["Attributes"] == row(store)
    assert row(store) == {
        "pk": {"S": "lock#a"},
        "fence": {"N": "7"},
        "expires": {"N": str(kept_until(0.0))},
    }


def test_a_release_records_a_run_and_keeps_it_for_a_month(store):
    lay(store)
    send(store, release(run=RUN))
    assert row(store)["last_run"] == RUN
    assert "version" not in row(store)
    assert number(store, "expires") == kept_until(MOST_LEASE)


def test_a_release_of_what_another_holds_is_refused(store):
    lay(store)
    assert refused(store, release(("x",))).item == row(store)
    refused(store, release(("x",), void_before=9))
    refused(store, release(("x",), heir=TICKET))


def test_a_release_does_not_pass_over_who_waits(store):
    lay(store, tickets=(TICKET,))
    assert refused(store, release()).item == row(store)
    lay(store, tickets=("another", TICKET))
    refused(store, release(heir=TICKET))
    lay(store)
    refused(store, release(heir=TICKET))


@pytest.mark.parametrize("run", [None, RUN])
@pytest.mark.parametrize("void", [0, 9])
def test_a_release_grants_to_the_heir_in_the_same_write(store, run, void):
    lay(store, tickets=(TICKET, "another"))
    send(store, release(heir=TICKET, run=run, void_before=void))
    lease_ms = round(acceptance(TICKET) * 1000)
    assert row(store) == {
        "pk": {"S": "lock#a"},
        "fence": {"N": "8"},
        "version": {"S": TICKET},
        "owner": {"S": "waiter"},
        "lease_ms": {"N": str(lease_ms)},
        "held_since": {"N": str(NOW)},
        "held_until": {"N": str(NOW + lease_ms)},
        "queue": {"L": [{"S": "another"}]},
        "expires": {"N": str(kept_until(MOST_LEASE if run else acceptance(TICKET)))},
        **({"last_run": run} if run else {}),
        **({"void_before": {"N": str(void)}} if void else {}),
    }


@pytest.mark.parametrize(("bound", "voided"), [(None, True), (8, True), (9, False), (10, False)])
@pytest.mark.parametrize("own", [("v",), ("x",)])
def test_a_bound_is_raised_and_never_lowered_and_by_the_holder_alone(store, bound, voided, own):
    lay(store, **({} if bound is None else {"void_before": {"N": str(bound)}}))
    call = release(own, void_before=9)
    if voided and own == ("v",):
        send(store, call)
        assert number(store, "void_before") == 9
        assert "version" not in row(store)
    else:
        refused(store, call)


# All others.


def test_a_read_shows_the_record_as_it_is_now(store):
    lay(store)
    call = record.read_call(TABLE, "a", 7.0)
    assert call.deadline == 7.0
    assert call.params["ConsistentRead"] is True
    assert send(store, call)["Item"] == row(store)


def test_a_founded_record_is_free_and_has_the_time_as_its_fence(store):
    call = record.founding_call(TABLE, "a", time=TIME)
    reply = send(store, call)
    assert reply["Attributes"] == row(store)
    assert (number(store, "fence"), number(store, "expires")) == (NOW, kept_until(0.0))
    send(store, grant())
    refused(store, call)
    lay(store, version=None)
    send(store, call)
    assert number(store, "fence") == 7


def test_the_end_of_a_dead_holder_raises_the_fence(store):
    lay(store)
    assert refused(store, record.ending_call(TABLE, "a", version="x", time=TIME)).item == row(store)
    reply = send(store, record.ending_call(TABLE, "a", version="v", time=TIME))
    assert reply["Attributes"] == row(store)
    assert row(store) == {
        "pk": {"S": "lock#a"},
        "fence": {"N": "8"},
        "expires": {"N": str(kept_until(0.0))},
    }


def test_a_bound_that_is_set_leaves_the_holder_alone_and_keeps_the_row_for_any_lease(store):
    lay(store)
    before = row(store)
    reply = send(store, record.void_call(TABLE, "a", time=TIME, void_before=9))
    assert reply["Attributes"] == row(store)
    assert row(store) == {
        **before,
        "void_before": {"N": "9"},
        "expires": {"N": str(kept_until(MOST_LEASE))},
    }
    for bound in (9, 8):
        call = record.void_call(TABLE, "a", time=TIME, void_before=bound)
        assert refused(store, call).item == row(store)


def commit(store, action):
    store.perform("TransactWriteItems", {"TransactItems": [action]})


@pytest.mark.parametrize("made", ["guard", "release"])
@pytest.mark.parametrize(
    ("fence", "version", "holds"),
    [(7, "v", True), (7, "w", True), (8, "v", False), (7, None, False)],
)
def test_a_guard_holds_while_the_fence_is_held(store, made, fence, version, holds):
    lay(store, fence, version)
    check = record.guard(TABLE, "a", 7)
    action = check if made == "guard" else record.release_action(TABLE, "a", 7, time=TIME)
    if not holds:
        with pytest.raises(Refused) as refusal:
            commit(store, action)
        assert refusal.value.reasons[0].item == row(store)
        return
    before = row(store)
    commit(store, action)
    released = {name: before[name] for name in ("pk", "fence")}
    released["expires"] = {"N": str(kept_until(0.0))}
    assert row(store) == (before if made == "guard" else released)


def test_a_guard_is_known_for_what_it_is():
    check = record.guard(TABLE, "a", 7)["ConditionCheck"]
    assert record.guarded(check) == ("a", 7)
    others: list[dict[str, Any]] = [
        {"Key": {"pk": {"S": "counter#a"}}},
        {"ConditionExpression": "fence = :fence"},
        {"ExpressionAttributeValues": {":other": {"N": "7"}}},
    ]
    for other in others:
        assert record.guarded({**check, **other}) is None
    assert record.guarded({"Key": check["Key"]}) is None
