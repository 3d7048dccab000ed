"""Any sequence of transactions does to a simulated store what it does to a dictionary."""

from contextlib import contextmanager

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from interlock._protocol.faults import CancellationReason, NoReply, Refused
from interlock.testing._store.store import Store
from interlock.testing._store.tables import Table
from interlock.transactions import TransactionClient
from tests.simulation.driver import StoreDriver
from tests.simulation.modelled import FLAT, SORTED, Machine

WRITES = ("TransactWriteItems", "PutItem", "UpdateItem")


class OnTheSimulatedStore(Machine):
    """With trouble at the commit: a reply is lost, a conflict is met, or a rival comes between."""

    def __init__(self) -> None:
        tables = Table(FLAT), Table(SORTED, sort_key="sk", sort_type="N"), Table("coordination")
        self.driver = StoreDriver(Store(*tables))
        super().__init__(TransactionClient("coordination", client=self.driver))

    @contextmanager
    def trouble(self, kind, rival):
        hook = "after" if kind == "lost reply" else "before"
        calm = getattr(self.driver, hook)

        def strike(call):
            if call.operation not in WRITES:
                return
            setattr(self.driver, hook, calm)
            if kind == "lost reply":
                raise NoReply("lost")
            if kind == "conflict" and call.operation == "TransactWriteItems":
                reasons = (CancellationReason("TransactionConflict"),)
                raise Refused("TransactionCanceledException", reasons=reasons)
            if kind == "conflict":
                raise Refused("TransactionConflictException")
            rival()

        if kind != "none":
            setattr(self.driver, hook, strike)
        yield
        setattr(self.driver, hook, calm)


def test_any_sequence_of_transactions_does_what_it_does_to_a_dictionary():
    run_state_machine_as_test(
        OnTheSimulatedStore,
        settings=settings(
            max_examples=50,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
