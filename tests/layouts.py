"""A table of another layout, which tests of the protocols use as if it were one of the default."""

from interlock._protocol.faults import Refused
from interlock._protocol.requests import Call
from interlock._protocol.translation import Translation
from interlock.tables import TableLayout
from interlock.testing import Table
from interlock.testing._store.store import Store

LAYOUT = TableLayout(
    partition_key="PK",
    sort_key=("SK", "interlock"),
    prefix="COORD#",
    ttl="ttl",
    listing_index="GSI1",
    listing_key="GSI1PK",
)


class LaidOutStore:
    """A store with one table of a layout; tests see and say all in the names of the default."""

    def __init__(self, layout, table):
        self.translation = Translation(layout)
        self.store = Store(Table.of(table, layout))

    def perform(self, operation, params):
        call = self.translation.call(Call(operation, params))
        try:
            return self.translation.reply(self.store.perform(call.operation, call.params))
        except Refused as refusal:
            raise self.translation.fault(refusal) from None

    def item(self, table, key):
        place = self.translation.layout.key(key).values()
        return self.translation.reply({"Item": self.store.item(table, *place)})["Item"]

    def __getattr__(self, name):
        return getattr(self.store, name)
