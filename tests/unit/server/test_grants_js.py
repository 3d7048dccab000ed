"""What the page tells of a lock's grants, of what it saw alone; run by Node.js."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

WEB = Path(__file__).parents[3] / "server" / "web"
NODE = shutil.which("node", path=str(Path(sys.executable).parent)) or shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node.js")


@pytest.fixture
def told(tmp_path):
    """Run statements over what grants.js exports; return the grants of the lock "a"."""
    shutil.copy(WEB / "grants.js", tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')

    def told(*statements):
        program = f"""
          const {{ note, noteAll, grantsOf }} =
            await import("{(tmp_path / "grants.js").as_uri()}");
          const held = (fencing_token, owner = "w", more = {{}}) => (
            {{ name: "a", state: "held", fencing_token, owner, since: 1, broken: null, ...more }});
          const free = (fencing_token, broken = null) => (
            {{ name: "a", state: "free", fencing_token, owner: null, since: null, broken }});
          {"; ".join(statements)};
          const text = (_, value) => typeof value === "bigint" ? String(value) : value;
          console.log(JSON.stringify(grantsOf("a"), text));
        """
        done = subprocess.run(
            [str(NODE), "--no-warnings", "--input-type=module", "-e", program],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return [(each["token"], each["end"], each["missed"]) for each in json.loads(done.stdout)]

    return told


def test_a_grant_that_is_seen_again_is_told_once(told):
    assert told("note(held(7), 10)", "note(held(7), 20)") == [(7, None, 0)]


@pytest.mark.parametrize(
    ("then", "end"),
    [
        ("note(free(7), 20)", "given back"),
        ("note(free(8, { fencing_token: 7, at: 15 }), 20)", "broken"),
        ("noteAll([], 20)", "over"),
    ],
    ids=["free", "broken", "missing"],
)
def test_the_end_of_a_grant_is_told_as_it_was_found(told, then, end):
    assert told("note(held(7), 10)", then) == [(7, end, 0)]


def test_what_was_not_seen_between_two_grants_is_counted(told):
    assert told("note(held(7), 10)", "note(held(8), 20)", "note(held(12), 30)") == [
        (7, "followed", 0),
        (8, "followed", 0),
        (12, None, 3),
    ]


def test_a_break_that_was_seen_is_no_grant_that_was_missed(told):
    broken = "{ fencing_token: 7, at: 15 }"
    assert told(
        "note(held(7), 10)",
        f"note(free(8, {broken}), 20)",
        f"note(held(9, 'v', {{ broken: {broken} }}), 30)",
    ) == [(7, "broken", 0), (9, None, 0)]


def test_an_older_look_that_comes_late_changes_nothing(told):
    assert told("note(held(8), 20)", "note(held(7), 30)", "noteAll([], 10)") == [(8, None, 0)]


def test_a_grant_that_a_list_missed_is_held_again_once_it_is_seen(told):
    assert told("note(held(8), 10)", "noteAll([], 20)", "note(held(8), 30)") == [(8, None, 0)]


def test_a_corrupt_record_tells_no_grant(told):
    assert told("note({ name: 'a', state: 'corrupt' }, 10)") == []


def test_tokens_beyond_what_javascript_counts_exactly_are_compared(told):
    assert told("note(held(10n ** 17n), 10)", "note(held(10n ** 17n + 2n), 20)") == [
        ("100000000000000000", "followed", 0),
        ("100000000000000002", None, 1),
    ]


def test_only_the_last_grants_are_kept(told):
    kept = told("for (let i = 0; i < 99; i += 1) note(held(i), i)")
    assert [token for token, *_ in kept] == list(range(79, 99))
