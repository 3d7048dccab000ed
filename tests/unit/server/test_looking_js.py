"""The page asks over and over while it is seen and its view is open, and not once longer."""

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
def heard(tmp_path):
    """Run statements over a view that looks; return what it asked and heard, in order."""
    shutil.copy(WEB / "looking.js", tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')

    def heard(*statements):
        program = f"""
          const told = [], timers = [];
          let shown = () => {{}}, answer = () => Promise.resolve("locks");
          globalThis.document = {{ visibilityState: "visible",
            addEventListener(_, listener) {{ shown = listener; }}, removeEventListener() {{}} }};
          globalThis.setTimeout = (run, after) => timers.push([run, after]);
          globalThis.clearTimeout = (id) => {{ if (id) timers[id - 1] = null; }};
          const settle = () => new Promise((resolve) => setImmediate(resolve));
          const passes = async () => {{
            const due = timers.splice(0).filter(Boolean);
            told.push(...due.map(([, after]) => `after ${{after}}`));
            for (const [run] of due) run();
            await settle();
          }};
          const see = async (state) => {{
            document.visibilityState = state;
            shown();
            await settle();
          }};
          const {{ looking }} = await import("{(tmp_path / "looking.js").as_uri()}");
          const view = looking(() => {{ told.push("ask"); return answer(); }},
            (found) => told.push(found), (problem) => told.push(problem.message));
          await settle();
          {"; ".join(statements)};
          console.log(JSON.stringify(told));
        """
        done = subprocess.run(
            [str(NODE), "--no-warnings", "--input-type=module", "-e", program],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        return json.loads(done.stdout)

    return heard


def test_it_asks_at_once_and_again_two_seconds_after_each_answer(heard):
    assert heard("await passes()") == ["ask", "locks", "after 2000", "ask", "locks"]


def test_a_failure_is_told_and_it_asks_on(heard):
    fails = "answer = () => Promise.reject(new Error('no way'))"
    assert heard(fails, "await passes()", "await passes()") == [
        *("ask", "locks", "after 2000", "ask", "no way"),
        *("after 2000", "ask", "no way"),
    ]


def test_a_view_that_is_closed_asks_no_more(heard):
    assert heard("view.stop()", "await passes()", "await view.look()") == ["ask", "locks"]


def test_an_answer_that_comes_after_the_view_was_closed_is_not_heard(heard):
    late = "let give; answer = () => new Promise((resolve) => { give = resolve; })"
    assert heard(late, "await passes()", "view.stop()", "give('late')", "await settle()") == [
        *("ask", "locks", "after 2000", "ask")
    ]


def test_a_page_that_is_not_seen_does_not_ask_and_asks_at_once_when_it_is(heard):
    assert heard("await see('hidden')", "await passes()", "await see('visible')") == [
        *("ask", "locks", "ask", "locks")
    ]


def test_the_answer_to_an_older_question_is_not_heard(heard):
    assert heard(
        "const given = []; answer = () => new Promise((resolve) => given.push(resolve))",
        "await passes()",
        "view.look()",
        "given[1]('new'); given[0]('old')",
        "await settle()",
    ) == ["ask", "locks", "after 2000", "ask", "ask", "new"]
