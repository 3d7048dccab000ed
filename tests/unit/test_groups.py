"""The tests that share what they have started run on one worker."""

import subprocess
import sys

PROGRAM = """
import os
from pathlib import Path
import pytest

pytestmark = pytest.mark.xdist_group("one")

@pytest.mark.parametrize("number", range(8))
def test_where(number):
    Path(os.environ["SEEN"], os.environ["PYTEST_XDIST_WORKER"]).touch()
"""


def test_a_group_runs_on_one_worker(tmp_path):
    """pytest-xdist reads groups into node ids, which a pytest that is too new ignores."""
    seen = tmp_path / "seen"
    seen.mkdir()
    (tmp_path / "test_it.py").write_text(PROGRAM)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "xdist"),
            *("-n", "2", "--dist", "loadgroup", "-c", "/dev/null", "test_it.py"),
        ],
        cwd=tmp_path,
        env={"SEEN": str(seen), "PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(seen.iterdir())) == 1
