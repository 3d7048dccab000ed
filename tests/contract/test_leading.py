"""Leading for good, between real processes, on real engines."""

import os
import signal
import threading

from tests.contract.test_locks import LEASE, PATIENCE, lock_client, process, told


def lead_for_good(pipe, endpoint, table):
    """Lead until the process is killed, and tell of each term."""
    with lock_client(endpoint, table) as locks:

        def lead(term):
            pipe.send(term.lock.fencing_token)
            term.wait()

        locks.election("leader").run(lead)


def test_a_leader_that_is_killed_is_succeeded_and_one_that_is_stopped_at_once(endpoint, table):
    with lock_client(endpoint, table) as locks:
        election, terms, began = locks.election("leader"), [], threading.Event()

        def lead(term):
            terms.append(term.lock.fencing_token)
            began.set()
            term.wait()

        thread = threading.Thread(target=election.run, args=(lead,))
        with process(lead_for_good, endpoint, table) as (worker, pipe):
            first = told(pipe)
            thread.start()
            assert not began.wait(0.2)
            os.kill(worker.pid, signal.SIGKILL)
            assert began.wait(PATIENCE)
            assert terms[0] > first
            with process(lead_for_good, endpoint, table) as (_, successor):
                assert not successor.poll(0.2)
                election.stop()
                thread.join(PATIENCE)
                assert told(successor) > terms[0]
        assert len(terms) == 1
        assert locks.election("leader").observe().lease == LEASE
