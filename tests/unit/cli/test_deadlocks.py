"""`interlock locks deadlocks`: who holds what and waits for what, and the command that ends it."""

import json
import shlex

from interlock._protocol.locks.ticket import Ticket, identity_of, mark_of

SINCE = 1_893_456_000_000  # as the store's clock has it


def put(store, name, owner, waiter, marks=None, *, data=None):
    """Have a lock held by one owner and waited for by another."""
    identity = identity_of("t", marks)
    item = {
        "pk": f"lock#{name}",
        "fence": 7,
        "version": f"v of {name}",
        "lease_ms": 20_000,
        "owner": owner,
        "held_since": SINCE,
        "held_until": 10**13,
        "queue": [Ticket(identity, SINCE + 1000, 0, waiter).text],
    }
    store.put("coordination", item | ({} if data is None else {"data": data}))


def cross(store, *, marked=True):
    """Have two owners wait for each other; with marks, for certain."""
    marks = {name: (mark_of(name, 7),) if marked else None for name in ("press", "ink pot")}
    put(store, "press", "web-1", "web-2", marks["ink pot"], data={"job": 7})
    put(store, "ink pot", "web-2", "web-1", marks["press"])


def test_there_is_none(run, store):
    put(store, "press", "web-1", "web-2")
    result = run("locks", "deadlocks")
    assert (result.exit_code, result.output) == (0, "no deadlock\n")
    result = run("locks", "deadlocks", "--json")
    assert (result.exit_code, result.output) == (0, "")


def test_a_certain_one_is_told_with_both_sides_and_the_way_out(run, store):
    cross(store)
    result = run("locks", "deadlocks")
    assert result.exit_code == 4
    told = [" ".join(line.split()) for line in result.output.splitlines()]
    assert told[0].startswith("deadlock of 2 locks, for ")
    assert told[1] == "web-2"
    assert told[2].startswith("holds ink pot since 2030-01-01 00:00:00Z")
    assert told[3].startswith("waits for press since 2030-01-01 00:00:01Z")
    assert told[4] == "web-1"
    assert told[7] == "data {'job': 7}"
    assert len(told) == 9


def test_the_way_out_is_a_command_that_ends_it(run, store):
    cross(store)
    line = run("locks", "deadlocks").output.splitlines()[-1]
    words = shlex.split(line.partition("way out: ")[2])
    assert words[:3] == ["interlock", "--table", "coordination"]
    assert "--fence" in words
    assert run(*words[1:]).exit_code == 0
    assert run("locks", "deadlocks").output == "no deadlock\n"


def test_one_that_is_only_possible_says_so(run, store):
    cross(store, marked=False)
    result = run("locks", "deadlocks")
    assert result.exit_code == 5
    assert result.output.startswith("possible deadlock of 2 locks")
    assert result.output.count("perhaps") == 2


def test_json_has_a_line_for_each(run, store):
    cross(store)
    put(store, "a", "x", "y")
    put(store, "b", "y", "x")
    result = run("locks", "deadlocks", "--json")
    certain, possible = map(json.loads, result.output.splitlines())
    assert (result.exit_code, certain["certain"], possible["certain"]) == (4, True, False)
    assert certain["since"].startswith("2030-01-01T00:00:01")
    assert certain["links"][1] == {
        "owner": "web-1",
        "holds": "press",
        "fencing_token": 7,
        "held_since": "2030-01-01T00:00:00+00:00",
        "data": {"job": 7},
        "waits_for": "ink pot",
        "since": "2030-01-01T00:00:01+00:00",
        "certain": True,
    }


def test_a_prefix_is_that_of_all_its_locks(run, store):
    cross(store)
    assert run("locks", "deadlocks", "press").exit_code == 0
    assert run("locks", "deadlocks", "ink").exit_code == 0


def test_the_table_is_listed_once_and_the_locks_are_read_again(run, store):
    cross(store)
    run("locks", "deadlocks")
    assert [call.operation for call in store.calls] == ["Scan", "GetItem", "GetItem"]


def test_what_a_record_says_cannot_move_the_cursor(run, store):
    put(store, "a", "x\x1b[2J", "y", data="\x1b[2J")
    put(store, "b", "y", "x\x1b[2J")
    assert "\x1b" not in run("locks", "deadlocks").output


def test_watching_looks_again(run, store, monkeypatch):
    looks = []

    def pause(seconds):
        looks.append(seconds)
        if len(looks) == 2:
            raise KeyboardInterrupt
        cross(store)

    monkeypatch.setattr("interlock.cli._watching.time.sleep", pause)
    result = run("locks", "deadlocks", "--watch", "--every", "3")
    assert result.exit_code == 130
    assert result.output.startswith("no deadlock\ndeadlock of 2 locks")
    assert looks == [3.0, 3.0]


def test_a_refusal_is_none_of_these(run, store):
    store.refuse("AccessDeniedException", "Scan")
    assert run("locks", "deadlocks").exit_code == 1


def test_who_waits_is_listed_and_shown(run, store):
    put(store, "press", "web-1", "web-2")
    header, row = run("locks", "ls").output.splitlines()
    assert header.index("WAITERS") == row.index("1, for ")
    assert "web-2 since 2030-01-01 00:00:01Z" in run("locks", "show", "press").output
