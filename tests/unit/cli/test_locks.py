"""`interlock locks` on a table: what is held by whom, and how a lock is broken or mended."""

import itertools
import json
from datetime import UTC, datetime, timedelta

import pytest

from interlock.cli._output import aligned, duration, moment, printable
from interlock.errors import LockLost, LossReason
from interlock.locks import LockClient, LockPage

BECAUSE = ["--because", "its host is gone"]


@pytest.fixture
def holder(store):
    with LockClient("coordination", client=store.client(), owner="web-1") as locks:
        yield locks


def test_locks_are_listed_in_a_table(run, store, holder):
    lock = holder.acquire("orders/1")
    holder.acquire("orders/2").release()
    result = run("locks", "ls")
    header, held, free = result.output.splitlines()
    assert header.split() == ["NAME", "STATE", "HOLDER", "SINCE", "LEASE", "FENCE", "WAITERS"]
    assert held.split()[:3] == ["orders/1", "held", "web-1"]
    assert held.split()[-4:] == ["20", "s", str(lock.fencing_token), "-"]
    assert free.split()[:2] == ["orders/2", "free"]
    assert header.index("HOLDER") == held.index("web-1")
    assert [call.operation for call in store.calls][-1] == "Scan"


def test_a_list_ends_though_its_pages_go_round(run, monkeypatch):
    ends = itertools.cycle(["lock#b", "lock#a"])

    def page(_locks, **_):
        return LockPage((), (), scanned=1, after=next(ends))

    monkeypatch.setattr(LockClient, "page", page)
    result = run("locks", "ls")
    assert (result.exit_code, "go round" in result.output) == (3, True)


def test_a_job_that_has_ended_rests_until_its_time_is_over(run, store, holder):
    told, job = [], holder.exclusive("nightly", at_least=timedelta(hours=2))
    job(lambda: told.append(run("locks", "ls").output))()
    (while_it_runs,) = told
    assert while_it_runs.splitlines()[1].split()[:3] == ["nightly", "held", "web-1"]
    listed = run("locks", "ls").output.splitlines()[1]
    assert listed.split()[:3] == ["nightly", "resting", "web-1"]
    assert " until 2030-01-01 02:00:0" in listed
    assert json.loads(run("locks", "ls", "--json").output)["resting"] is True
    state = next(
        line for line in run("locks", "show", "nightly").output.splitlines() if "state" in line
    )
    assert "resting until 2030-01-01 02:00:0" in state
    store.clock.advance(timedelta(hours=3))
    assert run("locks", "ls").output.splitlines()[1].split()[1] == "expired"
    assert job(lambda: 1)() == 1


def test_only_what_is_held_and_of_a_prefix(run, holder):
    locks = [holder.acquire(name) for name in ("orders/1", "users/1")]
    holder.acquire("orders/2").release()
    for arguments, names in [
        (["--held"], ["orders/1", "users/1"]),
        (["orders/"], ["orders/1", "orders/2"]),
        (["orders/", "--held"], ["orders/1"]),
        (["nothing"], []),
    ]:
        entries = run("locks", "ls", *arguments, "--json").output.splitlines()
        assert [json.loads(entry)["name"] for entry in entries] == names
    assert len(locks) == 2


def test_a_lock_is_shown_with_its_data_and_its_times(run, holder):
    with holder.acquire("a", data={"job": 7, "parts": [1, 2]}) as lock:
        text = run("locks", "show", "a").output
        entry = json.loads(run("locks", "show", "a", "--json").output)
    assert (entry["held"], entry["owner"]) == (True, "web-1")
    assert entry["fencing_token"] == lock.fencing_token
    assert entry["data"] == {"job": 7, "parts": [1, 2]}
    assert entry["lease"] == 20.0
    assert entry["since"].startswith("2030-01-01T00:00:00")
    assert "2030-01-01 00:00:00Z (in " in text
    assert "web-1" in text


def test_a_lock_that_was_never_taken(run):
    assert run("locks", "show", "a").output == "a: never taken\n"
    assert json.loads(run("locks", "show", "a", "--json").output)["held"] is False


def test_a_broken_lock_is_free_and_its_reason_is_shown(run, holder):
    lock = holder.acquire("a")
    result = run("locks", "break", "a", *BECAUSE)
    assert result.exit_code == 0, result.output
    assert result.output == (
        f"a: free, fencing token {lock.fencing_token + 1}; was held by web-1\n"
    )
    assert lock.release() is False
    shown = run("locks", "show", "a").output
    assert "its host is gone" in shown
    assert f"{lock.fencing_token} of web-1" in shown
    entry = json.loads(run("locks", "show", "a", "--json").output)
    assert entry["broken"]["because"] == "its host is gone"
    assert "broken by" in run("locks", "ls").output


def test_the_holder_of_a_broken_lock_learns_why(run, holder):
    lock = holder.acquire("a")
    run("locks", "break", "a", *BECAUSE)
    lock.release()
    with pytest.raises(LockLost, match="broken") as caught:
        lock.ensure()
    assert caught.value.reason is LossReason.BROKEN


@pytest.mark.parametrize(
    ("arguments", "says"), [([], "the lock is free"), (["--fence", "7"], "grant 7 is over")]
)
def test_there_may_be_nothing_to_break(run, holder, arguments, says):
    holder.acquire("a").release()
    result = run("locks", "break", "a", *BECAUSE, *arguments)
    assert (result.exit_code, says in result.output) == (1, True)


def test_a_corrupt_record_is_listed_shown_as_such_and_mended(run, store):
    store.put("coordination", {"pk": "lock#a", "fence": "x", "version": "v"})
    listed = run("locks", "ls")
    assert (listed.exit_code, "corrupt" in listed.output) == (0, True)
    assert run("locks", "show", "a").exit_code == 1
    assert run("locks", "break", "a", *BECAUSE).exit_code == 0
    assert run("locks", "show", "a").exit_code == 0


def test_a_reason_is_needed(run):
    assert run("locks", "break", "a").exit_code == 2
    result = run("locks", "break", "a", "--because", " ")
    assert (result.exit_code, "because" in result.output) == (2, True)


def test_waiting_ends_when_the_lock_is_free(run, holder):
    assert run("locks", "wait", "a").output == "a is free\n"
    with holder.acquire("a"):
        result = run("locks", "wait", "a", "--timeout", "0")
    assert (result.exit_code, "held by web-1" in result.output) == (124, True)


def test_what_a_lock_says_cannot_move_the_cursor(run, store):
    item = {"pk": "lock#a", "fence": 1, "version": "v", "lease_ms": 1000, "owner": "x\x1b[2Jy\n"}
    store.put("coordination", item)
    for arguments in (["ls"], ["show", "a"]):
        output = run("locks", *arguments).output
        assert "\x1b" not in output
        assert "x\N{REPLACEMENT CHARACTER}[2Jy" in output


def test_permits_are_grouped_by_their_semaphore(run, holder):
    permits = [holder.semaphore("render", permits=3).acquire() for _ in range(2)]
    header, row = run("semaphores", "ls").output.splitlines()
    assert header.split()[:2] == ["NAME", "HELD"]
    assert header.split()[2:4] == ["PERMITS", "SEEN"]
    assert row.split()[:4] == ["render", "2", "3", "2"]
    assert row.count("web-1") == 2
    (entry,) = map(json.loads, run("semaphores", "ls", "--json").output.splitlines())
    assert sorted(entry["held"]) == sorted(permit.name for permit in permits)
    assert (entry["permits"], entry["permits_seen"]) == (3, 2)
    shown = run("semaphores", "show", "render")
    header, *rows, last = shown.output.splitlines()
    assert last == "render: 2 of 3 permits held"
    assert header.split() == ["PERMIT", "STATE", "HOLDER", "SINCE", "LEASE", "FENCE"]
    assert sorted(row.split()[0] for row in rows) == sorted(permit.name for permit in permits)
    assert all(row.split()[1:3] == ["held", "web-1"] for row in rows)
    entries = map(json.loads, run("semaphores", "show", "render", "--json").output.splitlines())
    told = {(each["fencing_token"], each["permits"]) for each in entries}
    assert told == {(each.fencing_token, 3) for each in permits}
    assert run("semaphores", "show", "ren").output == "ren: no permit was ever taken\n"
    assert run("semaphores", "show", "ren", "--json").output == ""
    for permit in permits:
        permit.release()


def test_permits_of_clients_that_recorded_no_number_are_shown_without_one(run, store):
    store.put("coordination", {"pk": "lock#render#0", "fence": 1})
    assert run("semaphores", "ls").output.splitlines()[1].split() == ["render", "0", "-", "1", "-"]
    *_, last = run("semaphores", "show", "render").output.splitlines()
    assert last == "render: 0 of - permits held"
    (entry,) = map(json.loads, run("semaphores", "show", "render", "--json").output.splitlines())
    assert entry["permits"] is None


@pytest.mark.parametrize(
    ("code", "status", "says"),
    [
        ("AccessDeniedException", 1, "grant_operate"),
        ("ResourceNotFoundException", 1, "coordination"),
        ("ExpiredTokenException", 2, "expired"),
    ],
)
def test_a_refusal_is_told_without_a_traceback(run, store, code, status, says):
    store.refuse(code, "Scan")
    result = run("locks", "ls")
    assert (result.exit_code, says in result.output) == (status, True), result.output
    assert "Traceback" not in result.output
    store.refuse(code, "Scan")
    told = json.loads(run("locks", "ls", "--json").output)
    assert says in told["detail"]


def test_an_error_of_this_command_is_told_without_a_traceback(run, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(LockClient, "inspect", broken)
    result = run("locks", "show", "a")
    assert (result.exit_code, "ZeroDivisionError" in result.output) == (1, True)
    assert "Traceback" not in result.output


def test_a_missing_table_says_where_it_comes_from(run, monkeypatch):
    monkeypatch.delenv("INTERLOCK_TABLE")
    result = run("locks", "ls")
    assert (result.exit_code, "INTERLOCK_TABLE" in result.output) == (2, True)


def test_a_counter_is_shown_with_its_bounds(run, store):
    from interlock.counters import CounterClient  # noqa: PLC0415 - used by one test

    CounterClient("coordination", client=store.client()).counter("seats", ceiling=9).increment(3)
    entry = json.loads(run("counters", "show", "seats", "--json").output)
    assert entry == {"name": "seats", "value": 3, "floor": None, "ceiling": 9, "shards": 1}
    assert run("counters", "show", "other").exit_code == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_are_told_how_to_complete(run, shell):
    assert "_INTERLOCK_COMPLETE" in run("completion", shell).output


def test_verbs_are_completed(run):
    words = {"_INTERLOCK_COMPLETE": "bash_complete", "COMP_WORDS": "interlock loc"}
    result = run(env=words | {"COMP_CWORD": "1"}, prog_name="interlock")
    assert {"plain,locks", "plain,lock"} <= set(result.output.splitlines())


def test_every_verb_has_help_with_what_it_does(run):
    for group, verbs in {
        "locks": ["adopt", "break", "deadlocks", "export", "hold", "ls", "run", "show", "wait"],
        "elections": ["ls", "show"],
        "semaphores": ["ls", "show"],
        "counters": ["ls", "show"],
    }.items():
        for verb in verbs:
            result = run(group, verb, "--help")
            assert (result.exit_code, len(result.output) > 150) == (0, True), verb
            assert "\\b" not in result.output, verb


@pytest.mark.parametrize(
    "verb",
    [
        (),
        ("doctor",),
        ("locks", "ls"),
        ("locks", "break"),
        ("elections", "ls"),
        ("elections", "show"),
    ],
)
def test_examples_in_a_help_stand_on_lines_of_their_own(run, verb):
    lines = run(*verb, "--help").output.splitlines()
    examples = [line for line in lines if line.startswith("    interlock ")]
    assert examples, lines
    assert "\\b" not in "".join(lines)


def test_times_are_told_both_ways():
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert moment(now - timedelta(minutes=2), now) == "2026-01-02 03:02:05Z (2 min ago)"
    assert moment(now + timedelta(days=1, hours=2), now) == "2026-01-03 05:04:05Z (in 1 d 2 h)"
    assert moment(None) == "-"
    assert duration(timedelta(hours=1, seconds=5)) == "1 h"
    assert duration(timedelta(seconds=0.3)) == "0 s"


def test_tables_are_aligned_and_empty_ones_are_nothing():
    assert aligned(["A", "B"], [["x", "1"], ["longer", "2"]]) == [
        "A       B",
        "x       1",
        "longer  2",
    ]
    assert aligned(["A"], []) == []
    assert printable("a\tb") == "a\N{REPLACEMENT CHARACTER}b"


def test_the_last_run_of_a_job_is_shown_with_its_lock(run, holder):
    def fail():
        raise ZeroDivisionError("of nothing")

    assert holder.exclusive("nightly")(lambda: {"rows": 7})() == {"rows": 7}
    text = run("locks", "show", "nightly").output
    entry = json.loads(run("locks", "show", "nightly", "--json").output)
    assert "{'rows': 7}" in text
    assert entry["last_run"]["owner"] == "web-1"
    assert entry["last_run"]["result"] == {"rows": 7}
    with pytest.raises(ZeroDivisionError):
        holder.exclusive("nightly")(fail)()
    assert "raised ZeroDivisionError: of nothing" in run("locks", "show", "nightly").output


@pytest.mark.parametrize("seconds", ["nan", "inf", "-inf", "-1", "1e300"])
@pytest.mark.parametrize(
    "verb",
    [
        ["run", "a", "--timeout", "{}", "--", "true"],
        ["run", "a", "--grace", "{}", "--", "true"],
        ["hold", "a", "--lease", "{}"],
        ["wait", "a", "--timeout", "{}"],
        ["ls", "--every", "{}"],
    ],
    ids=lambda verb: " ".join(verb[:3]),
)
def test_what_is_no_number_of_seconds_is_misuse(run, store, verb, seconds):
    result = run("locks", *(each.format(seconds) for each in verb))
    assert result.exit_code == 2
    option = next(each for each in verb if each.startswith("--"))
    assert f"Invalid value for '{option}'" in result.output
    assert store.calls == []


@pytest.mark.parametrize("url", ["foo", "ftp://host", "http://", "localhost:8000"])
def test_an_endpoint_that_is_no_url_is_misuse(run, store, url):
    result = run("--endpoint-url", url, "locks", "ls")
    assert result.exit_code == 2
    assert f"{url!r} is no URL: give http(s)://HOST" in result.output
    assert store.calls == []
