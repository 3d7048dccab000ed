"""Locks as people see them, and how an administrator breaks one: that grant and no later one."""

import json

import pytest
from botocore.exceptions import ClientError

from interlock._protocol.locks.ticket import Ticket, identity_of, mark_of
from interlock.aio.locks import LockClient
from server.locks import Locks
from tests.unit.server.people import Publisher, ask, claims_of, data

# Holders whose lock is broken are left as they are.
pytestmark = pytest.mark.filterwarnings("ignore:.*was dropped without:ResourceWarning")

BREAKS = "/service/lock-breaks"


@pytest.fixture
async def holder(table):
    async with LockClient(table.table, client=table, owner="worker-7") as locks:
        yield locks


@pytest.fixture
async def client(service, settings, table, api):
    """The service, open to all who reach it."""
    return await service(api, locks=Locks(settings, table))


@pytest.fixture
async def signed_in(service, settings, table, api):
    """The service, where people sign in."""
    return await service(api, locks=Locks(settings, table), claims=claims_of(Publisher()))


@pytest.fixture
def impatient(monkeypatch):
    """Calls of the table are repeated for a moment only."""
    monkeypatch.setattr("interlock._protocol.locks.reading._INSPECTING", 0.05)
    monkeypatch.setattr("interlock._protocol.locks.reading._LISTING", 0.05)
    monkeypatch.setattr("interlock._protocol.locks.breaking._BREAKING", 0.05)


def broken(name, token, because="INC-7"):
    return {"lock": name, "fencing_token": token, "because": because}


def is_problem(reply, status, **members):
    assert reply.headers["content-type"] == "application/problem+json"
    told = reply.json()
    assert (reply.status_code, told["status"]) == (status, status), told
    assert {name: told[name] for name in members} == members
    return told["detail"]


async def test_held_locks_are_listed_with_who_holds_them_and_nothing_else(client, table, holder):
    first = await holder.acquire("orders/42", data={"secret": 1})
    await (await holder.acquire("free")).release()
    permit = await holder.semaphore("render", permits=1).acquire()
    table.put("counter#a", value={"N": "1"})
    told = (await client.get("/service/locks")).json()
    assert [each["name"] for each in told["locks"]] == ["orders/42", "render#0"]
    assert (told["held"], told["whole"], told["every"]) == (2, True, 2.0)
    assert told["table"] == table.table
    entry = told["locks"][0]
    assert (entry["state"], entry["owner"], entry["lease"]) == ("held", "worker-7", 20.0)
    assert entry["fencing_token"] == first.fencing_token
    assert entry["since"] <= told["now"] < entry["until"]
    assert "data" not in entry
    await permit.release()


@pytest.mark.parametrize("name", ["a", "orders/42", "a//b", "Überweisung", "50% off?", "render#3"])
async def test_one_lock_is_shown_by_its_name_with_what_its_holder_stored(client, table, name):
    table.put(
        f"lock#{name}",
        fence={"N": "7"},
        version={"S": "v"},
        lease_ms={"N": "1000"},
        owner={"S": "worker-7"},
        data={"M": {"n": {"N": "12345678901234567890"}, "b": {"B": b"\x01"}, "t": {"NULL": True}}},
    )
    quoted = name.replace("%", "%25").replace("#", "%23").replace("?", "%3F")
    told = (await client.get(f"/service/locks/{quoted}")).json()
    assert (told["name"], told["fencing_token"], told["owner"]) == (name, 7, "worker-7")
    assert told["data"] == {"n": 12345678901234567890, "b": "01", "t": None}
    assert not told["data_withheld"]


async def test_a_free_lock_is_shown_with_its_last_break(client, holder):
    lock = await holder.acquire("a")
    await holder.break_lock("a", because="stuck")
    told = (await client.get("/service/locks/a")).json()
    assert (told["state"], told["owner"], told["data"]) == ("free", None, None)
    assert (told["broken"]["because"], told["broken"]["by"]) == ("stuck", "worker-7")
    assert told["broken"]["fencing_token"] == lock.fencing_token


async def test_what_a_holder_stored_is_shown_to_those_alone_who_may_break(signed_in, holder):
    await holder.acquire("a", data={"secret": 1})
    shown = {}
    for role in ("viewer", "operator", "administrator"):
        reply = await ask(signed_in, "GET", "/service/locks/a", data(role))
        shown[role] = (reply.json()["data"], reply.json()["data_withheld"])
    hidden = (None, True)
    assert shown == {
        "viewer": hidden,
        "operator": hidden,
        "administrator": ({"secret": 1}, False),
    }


def put_waiting(table, name, owner, waiter, **more):
    """Have a lock held by one owner and waited for by another."""
    ticket = Ticket(identity_of("t", (mark_of(waiter, 7),)), 1_700_000_000_000, 0, waiter)
    table.put(
        f"lock#{name}",
        fence={"N": "7"},
        version={"S": f"v of {name}"},
        lease_ms={"N": "1000"},
        owner={"S": owner},
        queue={"L": [{"S": ticket.text}]},
        **more,
    )


async def test_a_deadlock_is_listed_with_both_sides(client, table):
    # Each lock is called as its holder is.
    put_waiting(table, "a", "a", "b", data={"M": {"job": {"N": "7"}}})
    put_waiting(table, "b", "b", "a")
    told = (await client.get("/service/locks")).json()
    (found,) = told["deadlocks"]
    assert (found["certain"], found["since"]) == (True, 1_700_000_000.0)
    assert found["links"] == [
        {
            "owner": owner,
            "holds": owner,
            "fencing_token": 7,
            "held_since": None,
            "waits_for": other,
            "since": 1_700_000_000.0,
            "data": stored,
            "data_withheld": False,
        }
        for owner, other, stored in (("a", "b", {"job": 7}), ("b", "a", None))
    ]
    assert told["locks"][0]["waiters"] == [{"owner": "b", "since": 1_700_000_000.0}]
    assert table.calls == ["Scan", "GetItem", "GetItem"]


async def test_who_merely_waits_costs_no_read(client, table):
    put_waiting(table, "a", "a", "b")
    assert (await client.get("/service/locks")).json()["deadlocks"] == []
    assert table.calls == ["Scan"]


async def test_the_data_of_a_deadlock_is_shown_to_those_alone_who_may_break(signed_in, table):
    put_waiting(table, "a", "a", "b", data={"S": "secret"})
    put_waiting(table, "b", "b", "a")
    shown = {}
    for role in ("viewer", "operator", "administrator"):
        told = (await ask(signed_in, "GET", "/service/locks", data(role))).json()
        link = told["deadlocks"][0]["links"][0]
        shown[role] = (link["data"], link["data_withheld"])
    hidden = (None, True)
    assert shown == {
        "viewer": hidden,
        "operator": hidden,
        "administrator": ("secret", False),
    }


async def test_who_waits_for_one_lock_is_shown(client, table):
    put_waiting(table, "a", "a", "b")
    told = (await client.get("/service/locks/a")).json()
    assert told["waiters"] == [{"owner": "b", "since": 1_700_000_000.0}]


async def test_strangers_see_no_lock(signed_in):
    for path in ("/service/locks", "/service/locks/a"):
        assert (await ask(signed_in, "GET", path)).status_code == 401


async def test_a_lock_that_was_never_taken_is_not_there(client):
    assert "'a' was never taken" in is_problem(await client.get("/service/locks/a"), 404)
    is_problem(await client.get("/service/locks/"), 404)


@pytest.mark.parametrize("name", ["a%23b", "%ff", "a%00b", "x" * 2000])
async def test_what_no_lock_is_called_is_refused(client, table, name):
    is_problem(await client.get(f"/service/locks/{name}"), 400, field="name")
    assert table.calls == []


@pytest.mark.parametrize("path", ["/service/locks", "/service/locks/a"])
async def test_a_parameter_that_is_not_known_is_refused(client, path):
    is_problem(await client.get(path, params={"prefix": "a"}), 400, field="prefix")


@pytest.mark.parametrize("path", ["/service/locks", "/service/locks/a"])
async def test_there_are_no_locks_without_a_table(service, api, path):
    assert "without a table" in is_problem(await (await service(api)).get(path), 404)


async def test_an_instance_that_has_just_started_says_so(service, settings, table, api):
    table._client = None
    client = await service(api, locks=Locks(settings, table))
    assert "just started" in is_problem(await client.get("/service/locks"), 503)


@pytest.mark.usefixtures("impatient")
async def test_a_table_that_is_away_is_told(client, table):
    table.down = True
    for path in ("/service/locks", "/service/locks/a"):
        assert "cannot be read" in is_problem(await client.get(path), 503)
    detail = is_problem(await client.post(BREAKS, json=broken("a", 1)), 503)
    assert "may be ended: look again" in detail


async def test_a_role_without_the_right_is_told_at_once(client, table):
    def deny(operation, _):
        raise ClientError({"Error": {"Code": "AccessDeniedException"}}, operation)

    table.before = deny
    assert "AccessDenied" in is_problem(await client.get("/service/locks"), 503)


async def test_an_administrator_breaks_the_grant_that_was_shown(signed_in, holder):
    lock = await holder.acquire("orders/42")
    reply = await signed_in.post(
        BREAKS,
        json=broken("orders/42", lock.fencing_token, "INC-7: gone"),
        headers={"x-amzn-oidc-data": data("administrator")},
    )
    told = reply.json()
    assert (reply.status_code, told["state"]) == (200, "free")
    assert told["fencing_token"] == lock.fencing_token + 1
    record = await holder.inspect("orders/42")
    assert (record.broken.because, record.broken.by) == ("INC-7: gone", "Alice by i-test")
    assert record.broken.owner == "worker-7"


@pytest.mark.parametrize("role", ["viewer", "operator"])
async def test_none_but_administrators_break_a_lock(signed_in, holder, role):
    lock = await holder.acquire("a")
    reply = await signed_in.post(
        BREAKS, json=broken("a", lock.fencing_token), headers={"x-amzn-oidc-data": data(role)}
    )
    is_problem(reply, 403, role=role, needed="administrator")
    assert (await holder.inspect("a")).held


async def test_another_sites_page_breaks_nothing(client, holder):
    lock = await holder.acquire("a")
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "https://evil.test"}):
        reply = await client.post(BREAKS, json=broken("a", lock.fencing_token), headers=headers)
        is_problem(reply, 403)
    assert (await holder.inspect("a")).held


async def test_a_grant_that_is_over_is_told_and_the_later_one_stays(client, holder):
    first = await holder.acquire("a")
    await first.release()
    second = await holder.acquire("a")
    reply = await client.post(BREAKS, json=broken("a", first.fencing_token))
    detail = is_problem(reply, 409, field="fencing_token")
    assert f"the grant {first.fencing_token} is over" in detail
    assert (await holder.inspect("a")).fencing_token == second.fencing_token


async def test_to_repeat_a_break_whose_answer_was_lost_is_safe(client, holder):
    lock = await holder.acquire("a")
    first = await client.post(BREAKS, json=broken("a", lock.fencing_token))
    again = await client.post(BREAKS, json=broken("a", lock.fencing_token))
    assert (first.status_code, again.status_code) == (200, 200)
    await lock.release()
    later = await holder.acquire("a")
    assert (await client.post(BREAKS, json=broken("a", lock.fencing_token))).status_code == 200
    assert (await holder.inspect("a")).fencing_token == later.fencing_token
    other = await client.post(BREAKS, json=broken("a", lock.fencing_token, "another reason"))
    assert other.status_code == 409


BAD = {
    "no JSON": ("{", None),
    "no object": ("[1]", None),
    "nested without end": ("[" * 100_000, None),
    "no reason": ('{"lock":"a","fencing_token":1}', "because"),
    "an empty reason": ('{"lock":"a","fencing_token":1,"because":" "}', "because"),
    "a reason that is no text": ('{"lock":"a","fencing_token":1,"because":7}', "because"),
    "half a character": ('{"lock":"a","fencing_token":1,"because":"\\ud800"}', "because"),
    "an over-long reason": (json.dumps(broken("a", 1, "x" * 501)), "because"),
    "no token": ('{"lock":"a","because":"x"}', "fencing_token"),
    "a token that is text": ('{"lock":"a","fencing_token":"1","because":"x"}', "fencing_token"),
    "a token that is true": ('{"lock":"a","fencing_token":true,"because":"x"}', "fencing_token"),
    "a token below 0": (json.dumps(broken("a", -1)), "fencing_token"),
    "a token beyond all": (json.dumps(broken("a", 10**30)), "fencing_token"),
    "digits without end": ('{"lock":"a","fencing_token":' + "9" * 5000 + "}", None),
    "no lock": ('{"fencing_token":1,"because":"x"}', "lock"),
    "a lock that is none": ('{"lock":"a#b","fencing_token":1,"because":"x"}', "lock"),
    "a lock that is no text": ('{"lock":[],"fencing_token":1,"because":"x"}', "lock"),
    "what is not known": (json.dumps(broken("a", 1) | {"force": True}), "force"),
    "two locks": ('{"lock":"a","lock":"b","fencing_token":1,"because":"x"}', "lock"),
    "UTF-16": (json.dumps(broken("a", 1)).encode("utf-16"), None),
    "a byte order mark": (b"\xef\xbb\xbf" + json.dumps(broken("a", 1)).encode(), None),
    "what is no text": ('{"\\ud800":1,"lock":"a","fencing_token":1,"because":"x"}', "?"),
}


@pytest.mark.parametrize(("body", "field"), BAD.values(), ids=BAD)
async def test_a_break_that_is_not_said_clearly_is_refused(client, table, body, field):
    headers = {"content-type": "application/json"}
    reply = await client.post(BREAKS, content=body, headers=headers)
    is_problem(reply, 413 if len(body) > 65536 else 400, **({"field": field} if field else {}))
    assert table.calls == []


JSON = ("content-type", "application/json")


@pytest.mark.parametrize(
    ("field", "headers"),
    [
        ("Content-Type", []),
        ("Content-Type", [("content-type", "text/plain")]),
        ("Content-Type", [("content-type", "application/json; charset=utf-16")]),
        ("Content-Type", [JSON, ("content-type", "text/plain")]),
        ("Content-Encoding", [JSON, ("content-encoding", "gzip")]),
    ],
)
async def test_a_body_of_another_form_is_refused(client, table, field, headers):
    reply = await client.post(BREAKS, content=json.dumps(broken("a", 1)), headers=headers)
    is_problem(reply, 415, field=field)
    assert table.calls == []


async def test_a_break_with_a_parameter_that_is_not_known_is_refused(client, table):
    reply = await client.post(BREAKS, params={"dry": "1"}, json=broken("a", 1))
    is_problem(reply, 400, field="dry")
    assert table.calls == []


CORRUPT = {"fence": {"S": "x"}, "version": {"S": "v"}, "lease_ms": {"N": "1000"}}


async def test_a_corrupt_record_is_shown_as_such_and_mended_with_a_reason(client, table, holder):
    table.put("lock#a", **CORRUPT)
    (listed,) = (await client.get("/service/locks")).json()["locks"]
    shown = (await client.get("/service/locks/a")).json()
    for told in (listed, shown):
        assert (told["state"], told["attribute"], told["newer"]) == ("corrupt", "fence", False)
    mended = await client.post(BREAKS, json=broken("a", None))
    assert (mended.status_code, mended.json()["state"]) == (200, "free")
    assert (await holder.inspect("a")).broken.because == "INC-7"


async def test_to_mend_ends_no_grant_of_a_record_that_is_sound(client, holder):
    await holder.acquire("a")
    detail = is_problem(await client.post(BREAKS, json=broken("a", None)), 409)
    assert "its record is sound" in detail
    assert (await holder.inspect("a")).held


async def test_the_record_of_a_newer_version_is_left_alone(client, table):
    table.put("lock#a", **CORRUPT | {"fence": {"N": "7"}, "format": {"N": "99"}})
    assert (await client.get("/service/locks/a")).json()["newer"] is True
    is_problem(await client.post(BREAKS, json=broken("a", None)), 409)
    assert table.item("lock#a")["version"] == {"S": "v"}
