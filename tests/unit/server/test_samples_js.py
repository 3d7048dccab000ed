"""What the chart makes of samples, run by Node.js."""

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
def run(tmp_path):
    """Evaluate an expression over what samples.js exports."""
    for name in ("samples.js", "dom.js", "words.js"):
        shutil.copy(WEB / name, tmp_path)
    (tmp_path / "package.json").write_text('{"type": "module"}')

    def evaluated(expression):
        program = f"""
          Object.defineProperty(globalThis, "navigator", {{ value: {{ languages: ["en-US"] }} }});
          const it = await import("{(tmp_path / "samples.js").as_uri()}");
          const text = (_, value) => typeof value === "bigint" ? String(value) : value;
          console.log(JSON.stringify({expression}, text));
        """
        done = subprocess.run(
            [str(NODE), "--no-warnings", "--input-type=module", "-e", program],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            env={"TZ": "UTC"},
        )
        return json.loads(done.stdout)

    return evaluated


def test_a_gap_breaks_the_line_and_a_slow_rhythm_does_not(run):
    samples = [[100, "1", 7], [102, "2", 7], [130, "3", 7]]
    assert run(f"it.columns({samples}, 2)") == [[100, 102, 128, 130], [1, 2, None, 3]]
    assert run(f"it.columns({samples}, 12)") == [[100, 102, 130], [1, 2, 3]]


def test_long_numbers_are_drawn_as_their_distance_from_the_first(run):
    samples = [[100, "9" * 29, 7], [102, "1" + "0" * 29, 7]]
    assert run(f"it.originOf({samples})") == "9" * 29
    assert run(f"it.columns({samples}, 2)")[1] == [0, 1]
    assert run("[it.heightLabel(1, 10n), it.heightLabel(-2, 10n)]") == ["+1", "-2"]
    assert run("[it.originOf([[1, '123456789012', 7]]), it.heightLabel(1234, 0n)]") == [
        "0",
        "1,234",
    ]


def test_the_last_is_what_the_page_shows_whatever_the_clocks_say(run):
    samples = [[100, "1", 7]]
    assert run(f"it.upToNow({samples}, 5n, 107.5)") == [[100, "1", 7], [107.5, "5", 7]]
    assert run(f"it.upToNow({samples}, 5n, 60)") == [[100, "1", 7], [101, "5", 7]]
    assert run("it.upToNow([], 5n, 60)") == []


def test_the_summary_says_the_value_its_change_and_who_led(run):
    assert run("it.summary([[1, '5', 7], [2, '5', 7]])") == "5 now, unchanged"
    assert (
        run("it.summary([[1, '5', 7], [2, '1234', 8]])") == "1,234 now, +1,229, 1 change of leader"
    )


@pytest.mark.parametrize(
    ("kept", "labels"),
    [
        (86400, ["10 min", "1 hr", "6 hr", "24 hr"]),
        (600, ["10 min"]),
        (5400, ["10 min", "1 hr", "90 min"]),
        (30 * 86400, ["10 min", "1 hr", "6 hr", "24 hr", "7 days", "30 days"]),
    ],
)
def test_the_ranges_go_up_to_all_that_is_kept(run, kept, labels):
    assert run(f"it.ranges({kept}).map(it.rangeLabel)") == labels


def test_times_are_told_as_finely_as_the_axis_is(run):
    told = run("[600, 7200, 900000].map((span) => it.timeLabel(1700000000, span))")
    assert [text.replace("\N{NARROW NO-BREAK SPACE}", " ") for text in told] == [
        "10:13:20 PM",
        "10:13 PM",
        "Nov 14",
    ]
