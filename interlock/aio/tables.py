"""Make the coordination table where no CDK application does, and say what it is made of."""

from datetime import timedelta
from typing import Any

from interlock._drivers.awaitable.opening import open_driver
from interlock._protocol.durations import seconds
from interlock._protocol.kinds import checked_instance
from interlock._protocol.layout import TableLayout, checked_layout
from interlock._protocol.tables import create, schema, time_to_live

__all__ = ["TableLayout", "create_table", "schema", "time_to_live"]


async def create_table(
    name: str,
    *,
    client: Any = None,
    deletion_protection: bool = False,
    timeout: timedelta = timedelta(minutes=2),
    layout: TableLayout | None = None,
    listing: bool = True,
) -> bool:
    """Make a coordination table that is ready for use; return False if it exists and fits.

    On demand, with the partition key `pk`, the index `listing` and TTL by `expires`; for tests
    (moto, DynamoDB Local) and for applications without CDK. `schema(name)` and
    `time_to_live(name)` are the same as parameters of CreateTable and UpdateTimeToLive. Safe to
    repeat, also at once from several processes. `client` is an aiobotocore DynamoDB client
    (default: one of the library's own), `timeout` the time that it may take in all. `layout` gives
    the keys other names; a table that exists has to have them, and gets no index. `listing=False`
    leaves the index out: counters are then not listed (`CounterClient.names`, `page`, `states`).

    Raises `TableUnfit` for a table that has another key or no such index; `AccessDenied`,
    `InvalidValue`, `ServiceUnavailable`.
    """
    operation = create(
        name,
        deletion_protection=deletion_protection,
        timeout=seconds("timeout", timeout, positive=True),
        layout=checked_layout(layout),
        listing=checked_instance("listing", listing, bool, "True or False"),
    )
    return await open_driver(client).run(operation)
