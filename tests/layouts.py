"""A table of another layout, which tests of the protocols use as if it were one of the default."""

from hypothesis import strategies as st

from interlock._protocol.faults import Refused
from interlock._protocol.layout import OWN_PREFIXES, RESERVED
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


NAMES = st.text(min_size=1, max_size=40).filter(
    lambda name: (
        name not in RESERVED | {"pk", "expires", "listing"}
        and not name.startswith(("done#", "call#"))
    )
)
PREFIXES = st.text(max_size=40).filter(lambda text: not any(own in text for own in OWN_PREFIXES))


@st.composite
def layouts(draw):
    """Return any layout that a table can have."""
    names = draw(st.lists(NAMES, min_size=4, max_size=4, unique=True))
    value = draw(PREFIXES.filter(bool))
    sort_key = draw(st.sampled_from([None, (names[1], value)]))
    index = draw(st.from_regex(r"[a-zA-Z0-9_.-]{3,20}", fullmatch=True))
    return TableLayout(
        partition_key=names[0],
        sort_key=sort_key,
        prefix=draw(PREFIXES),
        ttl=names[2],
        listing_index=index,
        listing_key=names[3],
    )
