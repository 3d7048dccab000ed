"""Validated settings of a transaction client."""

from collections.abc import Iterable
from datetime import timedelta

from interlock._dataclasses import dataclass
from interlock._protocol.durations import seconds
from interlock._protocol.kinds import checked_table, checked_text, shown
from interlock._protocol.layout import DEFAULT, TableLayout
from interlock._protocol.retry import RetryBudget, Target
from interlock._protocol.values import checked_attribute_name
from interlock.errors import InvalidValue

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html
MAX_ACTIONS = 100
MOST_READS = MAX_ACTIONS - 2  # ahead, with the two records that a key may have
MAX_ITEM_BYTES = 400 * 1024
MAX_TRANSACTION_BYTES = 4 * 1024 * 1024
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
# DynamoDB remembers a ClientRequestToken for ten minutes; one is kept back for a slow clock.
TOKEN_WINDOW = 9 * 60.0
LONGEST_TIMEOUT = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Settings:
    """Times are in seconds. `table` holds the idempotency records and nothing else of ours."""

    table: str
    version_attribute: str = "_version"
    attempts: int = 200
    timeout: float = 15.0
    first_pause: float = 0.01
    longest_pause: float = 1.0
    shortest_call: float = 0.001
    layout: TableLayout = DEFAULT

    @classmethod
    def of(
        cls,
        table: str,
        *,
        timeout: timedelta,
        attempts: int,
        version_attribute: str,
        layout: TableLayout = DEFAULT,
    ) -> "Settings":
        """Check what a client was given."""
        checked_table(table)
        most = seconds("timeout", timeout)
        if not timedelta() < timeout <= LONGEST_TIMEOUT:
            raise InvalidValue("timeout", f"{timeout} is not positive and at most 5 minutes")
        if not isinstance(attempts, int) or isinstance(attempts, bool):
            raise InvalidValue("attempts", f"{shown(attempts)} is not an integer")
        if attempts < 1:
            raise InvalidValue("attempts", f"{attempts} is less than 1")
        checked_text("version_attribute", version_attribute, wanted="an attribute's name")
        checked_attribute_name(version_attribute, "version_attribute")
        return cls(table, version_attribute, attempts, most, layout=layout)

    def budget(self) -> RetryBudget:
        """Return what all attempts of one transaction may spend together."""
        return RetryBudget(
            target((self.table,)),
            first=self.first_pause,
            longest=self.longest_pause,
            conflict=self.shortest_call,
            most=self.attempts,
        )


def target(tables: Iterable[str], *, laid_out: bool = False) -> Target:
    """Return what a call on these tables asks, for the texts of its errors.

    `laid_out`: all of it is about records of the library's own.
    """
    names = tuple(dict.fromkeys(tables))
    return Target(names, "CoordinationTable.grant_transactions(...)", laid_out=laid_out)
