"""Processes of their own, which share nothing with that of the tests nor with each other.

They are forked from one that has imported what they need and made no client: each would import it
for longer than many of them run.
"""

import multiprocessing

APART = multiprocessing.get_context("forkserver")
APART.set_forkserver_preload(["boto3", "interlock", "tests.contract.conftest"])
