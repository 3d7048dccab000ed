"""Any sequence of transactions does to a real engine what it does to a dictionary."""

import uuid

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from interlock.transactions import TransactionClient
from tests.simulation.modelled import FLAT, SORTED, Machine


@pytest.fixture
def tables(client, table):
    for name, keys in ((FLAT, {"pk": "S"}), (SORTED, {"pk": "S", "sk": "N"})):
        client.create_table(
            TableName=name,
            AttributeDefinitions=[
                {"AttributeName": key, "AttributeType": kind} for key, kind in keys.items()
            ],
            KeySchema=[
                {"AttributeName": key, "KeyType": kind}
                for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            BillingMode="PAY_PER_REQUEST",
        )
    yield table
    for name in (FLAT, SORTED):
        client.delete_table(TableName=name)


def test_any_sequence_of_transactions_does_what_it_does_to_a_dictionary(client, tables):
    tx = TransactionClient(tables, client=client)

    class OnARealEngine(Machine):
        def __init__(self) -> None:
            super().__init__(tx, own=f"{uuid.uuid4()}/")

    run_state_machine_as_test(
        OnARealEngine,
        settings=settings(
            max_examples=10,
            stateful_step_count=12,
            deadline=None,
            phases=[Phase.generate],  # each example is many calls: report what fails as it is
            suppress_health_check=list(HealthCheck),
        ),
    )
