"""Jobs between real processes, on real engines: one run for all, and none in a dead one's time."""

import os
import signal
from contextlib import ExitStack
from datetime import timedelta

from tests.contract.test_locks import LONG, PATIENCE, lock_client, process, told

PROCESSES = 5
AT_LEAST = timedelta(seconds=8)


def ask_for_the_report(pipe, endpoint, table):
    """Ask for a report that one process of all is to compute, when told to."""
    with lock_client(endpoint, table, lease=LONG) as locks:

        @locks.exclusive("report", at_least=LONG, otherwise="result")
        def report():
            pipe.send("runs")
            return {"by": os.getpid()}

        pipe.send("ready")
        told(pipe)
        pipe.send(report())


def run_and_hang(pipe, endpoint, table):
    """Run the job, and be there until the process is killed."""
    with lock_client(endpoint, table) as locks:
        locks.exclusive("nightly", at_least=AT_LEAST)(pipe.send)("ran")
        pipe.recv()


def test_of_many_processes_one_computes_and_all_get_its_result(endpoint, table):
    with ExitStack() as stack:
        pipes = [
            stack.enter_context(process(ask_for_the_report, endpoint, table))[1]
            for _ in range(PROCESSES)
        ]
        assert [told(pipe) for pipe in pipes] == ["ready"] * PROCESSES
        for pipe in pipes:
            pipe.send("go")
        answers = [told(pipe) for pipe in pipes]
        assert answers.count("runs") == 1
        results = [
            told(pipe) if answer == "runs" else answer
            for pipe, answer in zip(pipes, answers, strict=True)
        ]
        assert len({result["by"] for result in results}) == 1
        with lock_client(endpoint, table) as locks:
            assert locks.last_run("report").result == results[0]


def test_a_job_does_not_run_in_the_time_of_a_process_that_was_killed(endpoint, table):
    with lock_client(endpoint, table) as locks:
        with process(run_and_hang, endpoint, table) as (worker, pipe):
            assert told(pipe) == "ran"
            os.kill(worker.pid, signal.SIGKILL)
        runs = []

        def nightly():
            runs.append(locks.held("nightly").fencing_token)

        locks.exclusive("nightly")(nightly)()
        assert runs == []
        waits = {"otherwise": "wait", "timeout": timedelta(seconds=PATIENCE)}
        locks.exclusive("nightly", **waits)(nightly)()
        assert len(runs) == 1
        last = locks.last_run("nightly")
        assert last.fencing_token == runs[0]
        record = locks.inspect("nightly")
        assert not record.held
