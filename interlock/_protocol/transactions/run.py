"""One transaction from its first attempt to its commit.

The client's loop is `begin`, the caller's function, `commit`, until something is committed.
"""

import logging
from collections.abc import Sequence
from typing import Any

from interlock._protocol.requests import Operation, monotonic, new_id, time_of_day
from interlock._protocol.transactions.actions import Action
from interlock._protocol.transactions.attempt import NOTHING_CACHED, Attempt, CachedReads
from interlock._protocol.transactions.commit import Answer, Verdict, changes, commit
from interlock._protocol.transactions.idempotency import Committed, Findings, Once
from interlock._protocol.transactions.items import Address
from interlock._protocol.transactions.reads import by_address
from interlock._protocol.transactions.reporting import TransactionReport
from interlock._protocol.transactions.settings import Settings
from interlock._protocol.values import from_attribute, to_attribute
from interlock.errors import (
    ConditionFailed,
    CorruptRecord,
    IdempotencyMismatch,
    InterlockError,
    OutcomeUnknown,
)

_log = logging.getLogger("interlock")


class TransactionRun:
    """The state that outlives an attempt."""

    def __init__(
        self, settings: Settings, once: Once | None, reads: Sequence[Address] = ()
    ) -> None:
        self._settings = settings
        self._once = once
        self._reads = reads
        self._budget = settings.budget()
        self._attempts = 0
        self._own: list[str] = []
        self._began = 0.0
        self._cached = NOTHING_CACHED
        self._findings = Findings()
        self._committed: Committed | None = None
        self._condition_refused = False
        self._outstanding: list[Attempt] = []  # given up, and a copy may be carried out yet

    def begin(self) -> Operation[Attempt | Committed]:
        """Return a new attempt, or the result if the idempotency key has been used before."""
        if self._attempts == 0:
            self._began = yield from monotonic()
            yield from self._budget.start(self._settings.timeout)
            yield from self._look()
        if self._committed is not None:
            return self._committed
        self._attempts += 1
        self._own.append((yield from new_id()))
        return Attempt(self._own[-1], self._settings, self._budget, self._cached)

    def commit(self, attempt: Attempt, result: Any) -> Operation[Committed | None]:
        """Return what was committed, or None when the function has to run again."""
        attempt.closed = True
        try:
            return (yield from self._commit(attempt, result))
        except IdempotencyMismatch:
            raise  # another operation has the key: no copy can be carried out
        except ConditionFailed as error:
            if (yield from self._happened()):
                self._find_in(attempt)
                return self._committed
            self._admit(error, attempt)
            raise
        except InterlockError as error:
            self._admit(error, attempt)
            raise

    def _commit(self, attempt: Attempt, result: Any) -> Operation[Committed | None]:
        records: tuple[Action, ...] = ()
        if self._once is not None:
            # A replay returns what was stored; the first call returns the same.
            result = from_attribute(to_attribute(result, "result"))
            time, occupied = (yield from time_of_day()), self._findings.occupied
            records = self._once.actions(attempt.id, result, time, occupied=occupied)
        answer = yield from self._sent(attempt, records)
        if answer.verdict is Verdict.DONE:
            self._committed = Committed(result)
        elif answer.verdict is Verdict.RECORDED and self._once is not None:
            yield from self._recorded(self._once, answer)
            self._find_in(attempt)
        if self._committed is None:
            if answer.outstanding:
                self._outstanding.append(attempt)
            yield from self._again(attempt, answer.cached)
        return self._committed

    def failed(self, attempt: Attempt, error: Exception) -> Operation[bool]:
        """Return whether the function, which has raised this, has to run again, or has been run.

        It has if what it read was never true at one instant: then its error means nothing. Nor does
        it if its key has been used, which is what it may have met. Raises
        `OutcomeUnknown` in the place of an error by which nothing would be written, if a copy of an
        attempt before it may be carried out yet.
        """
        attempt.closed = True
        try:
            cached = yield from changes(attempt)
            if cached is not None:
                yield from self._again(attempt, cached)
                return True
        except InterlockError:
            # The caller's own error says more than that it could not be looked into.
            _log.debug("reads of a failed transaction could not be verified", exc_info=True)
        if attempt.instants and (yield from self._happened()):
            return True
        self._admit(error, attempt)
        return False

    def _happened(self) -> Operation[bool]:
        """Return whether the key has been used, by a commit that may not be seen as a whole yet.

        A commit shows itself item by item: to who looks for the record by GetItem the items may be
        as they are after it, and the record not there. A transactional read waits for all of it.
        """
        if self._once is None:
            return False
        try:
            self._findings, _ = yield from self._once.find_with(self._budget, ())
        except (CorruptRecord, IdempotencyMismatch):
            raise
        except InterlockError:
            _log.debug("a key could not be looked for again", exc_info=True)
            return False
        self._committed = self._findings.committed
        self._condition_refused &= self._committed is None
        return self._committed is not None

    def _find_in(self, attempt: Attempt) -> None:
        # By an earlier attempt of this run, whose answer was lost, its locks are free too.
        attempt.committing = self._findings.attempt in self._own

    def _admit(self, error: Exception, attempt: Attempt) -> None:
        """Raise `OutcomeUnknown` in the place of an error, if it may become untrue."""
        if not self._outstanding:
            return
        attempt.committing = True
        for lock in {id(lock): lock for a in self._outstanding for lock in a.releases}.values():
            lock.released()
        if not isinstance(error, OutcomeUnknown):
            raise OutcomeUnknown(
                f"a reply to an earlier commit was lost; a later attempt met: {error!r}"
            ) from error

    def report(self) -> Operation[TransactionReport]:
        """Return what the transaction took."""
        return TransactionReport(
            attempts=self._attempts,
            conflicts=self._budget.conflicts,
            throttles=self._budget.throttles,
            seconds=(yield from monotonic()) - self._began,
            committed=self._committed is not None,
            replayed=self._committed is not None and self._committed.replayed,
            condition_refused=self._condition_refused,
        )

    def settle(self, attempt: Attempt) -> None:
        """Count locks as given back if the commit that gives them back may be carried out yet.

        Called after `commit`, also if that was interrupted or cancelled.
        """
        for lock in attempt.releases:
            if attempt.committing:
                lock.released()
            else:
                lock.kept()

    def _look(self) -> Operation[None]:
        """Look for the key, and at the items that are read first."""
        if not self._reads:
            if self._once is not None:
                self._findings = yield from self._once.find(self._budget)
        else:
            if self._once is not None:
                found = yield from self._once.find_with(self._budget, self._reads)
                self._findings, items = found
            else:
                items = yield from by_address(self._budget, self._reads)
            self._cached = CachedReads(items, at_one_instant=True)
        self._committed = self._findings.committed

    def _sent(self, attempt: Attempt, records: Sequence[Action]) -> Operation[Answer]:
        """Commit, and note whether nothing of it can be carried out any more."""
        try:
            answer = yield from commit(attempt, records)
            attempt.committing = answer.verdict is Verdict.DONE
        except ConditionFailed:
            attempt.committing, self._condition_refused = False, True
            raise
        except InterlockError as error:
            attempt.committing = isinstance(error, OutcomeUnknown)
            raise
        return answer

    def _recorded(self, once: Once, answer: Answer) -> Operation[None]:
        """Take the result from the record that refused the commit, if it is of this operation."""
        if answer.record:
            self._findings = once.read(answer.record)
        else:
            self._findings = yield from once.find(self._budget)
        self._committed = self._findings.committed

    def _again(self, attempt: Attempt, cached: CachedReads) -> Operation[None]:
        _log.debug("transaction %s met a newer version; running again", attempt.id)
        self._cached = cached
        yield from self._budget.stale()
