"""Clients that were used before a fork, in all the children at once, on real engines."""

import json
import os
import subprocess
import sys

import pytest

from tests.contract.forking import CHILDREN, ROUNDS, STORMS

WORKS = ROUNDS * (1 + STORMS * (CHILDREN + 1))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("half", ["own", "passed in", "awaitable"])
def test_forked_workers_share_no_reply_no_lock_and_no_count(endpoint, table, half):
    place = {
        "AWS_ENDPOINT_URL_DYNAMODB": endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.contract.forking", table, half],
        env=os.environ | place,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["others"] == [], "a process read what was another's"
    assert len(set(seen["tokens"])) == len(seen["tokens"]) == WORKS
    assert sorted(seen["counted"]) == list(range(1, WORKS + 1))
