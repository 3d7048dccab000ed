"""`interlock elections` on a table: who leads, since when, and under which fencing token."""

import json

import pytest

from interlock.locks import LockClient


@pytest.fixture
def member(store):
    with LockClient("coordination", client=store.client(), owner="web-1") as locks:
        yield locks


def test_elections_are_told_from_locks(run, member):
    held = member.acquire("orders/1")
    election = member.election("service/leader")
    lock = election.campaign()
    header, row = run("elections", "ls").output.splitlines()
    assert header.split() == ["NAME", "STATE", "LEADER", "SINCE", "LEADS", "FOR", "FENCE"]
    assert row.split()[:3] == ["service/leader", "leads", "web-1"]
    assert row.split()[-1] == str(lock.fencing_token)
    assert header.index("LEADER") == row.index("web-1")
    (entry,) = map(json.loads, run("elections", "ls", "--json").output.splitlines())
    assert (entry["name"], entry["owner"], entry["held"]) == ("service/leader", "web-1", True)
    assert run("elections", "ls", "orders/").output == ""
    assert held.release()
    assert election.resign()


def test_an_election_without_a_leader_is_listed_as_such(run, member):
    election = member.election("service/leader", data={"zone": "a"})
    token = election.campaign().fencing_token
    assert "{'zone': 'a'}" in run("elections", "show", "service/leader").output
    election.resign()
    (_, row) = run("elections", "ls").output.splitlines()
    assert row.split() == ["service/leader", "vacant", "-", "-", "-", str(token)]
    assert "vacant" in run("elections", "show", "service/leader").output


def test_a_leader_is_shown_with_its_term(run, member):
    election = member.election("service/leader")
    lock = election.campaign()
    told = dict(line.split(maxsplit=1) for line in _shown(run).splitlines())
    assert (told["state"], told["leader"]) == ("leads", "web-1")
    assert told["since"].startswith("2030-01-01 00:00:00Z")
    assert told["lease"].startswith("20 s, until")
    entry = json.loads(run("elections", "show", "service/leader", "--json").output)
    assert (entry["fencing_token"], entry["election"]) == (lock.fencing_token, True)
    assert election.resign()


def test_a_term_that_was_broken_says_why(run, member):
    election = member.election("service/leader")
    election.campaign()
    run("locks", "break", "service/leader", "--because", "it hangs")
    shown = _shown(run)
    assert ("it hangs" in shown, "of web-1" in shown) == (True, True)
    assert run("elections", "ls").output.splitlines()[1].split()[1] == "vacant"
    election.resign()


def test_an_election_in_which_no_client_has_led(run):
    assert _shown(run) == "service/leader: no client has led yet\n"
    entry = json.loads(run("elections", "show", "service/leader", "--json").output)
    assert entry == {"name": "service/leader", "held": False, "fencing_token": None}


@pytest.mark.parametrize(
    ("code", "status"), [("AccessDeniedException", 1), ("ExpiredTokenException", 2)]
)
def test_a_refusal_is_told_without_a_traceback(run, store, code, status):
    for operation, verb in {"Scan": ["ls"], "GetItem": ["show", "service/leader"]}.items():
        store.refuse(code, operation)
        result = run("elections", *verb)
        assert (result.exit_code, "Traceback" in result.output) == (status, False), result.output


def test_a_corrupt_record_is_told(run, store):
    store.put("coordination", {"pk": "lock#service/leader", "fence": "x", "version": "v"})
    result = run("elections", "show", "service/leader")
    assert (result.exit_code, "lock#service/leader" in result.output) == (1, True)


def test_corrupt_records_are_told_of_beside_the_elections(run, store, member):
    election = member.election("service/leader")
    election.campaign()
    store.put("coordination", {"pk": "lock#other", "fence": "x", "version": "v"})
    result = run("elections", "ls")
    assert "1 records are corrupt: `locks ls` lists them" in result.stderr
    assert len(result.stdout.splitlines()) == 2
    election.resign()


def test_watching_looks_again(run, member, monkeypatch):
    election = member.election("service/leader")
    election.campaign()
    looks = []

    def wait(seconds):
        looks.append(seconds)
        if len(looks) > 1:
            raise KeyboardInterrupt
        election.resign()

    monkeypatch.setattr("interlock.cli._watching.time.sleep", wait)
    result = run("elections", "ls", "--watch", "--every", "3")
    assert (result.exit_code, looks) == (130, [3.0, 3.0])
    rows = [line for line in result.output.splitlines() if line.startswith("service/leader")]
    assert [row.split()[1] for row in rows] == ["leads", "vacant"]


def test_what_is_no_name_is_misuse(run):
    assert run("elections", "show", "a#b").exit_code == 2


def test_elections_are_completed(run):
    words = {"_INTERLOCK_COMPLETE": "bash_complete", "COMP_WORDS": "interlock elections s"}
    result = run(env=words | {"COMP_CWORD": "2"}, prog_name="interlock")
    assert result.output.splitlines() == ["plain,show"]


def _shown(run):
    return run("elections", "show", "service/leader").output
