"""The index of a coordination table, which lists what has its key attribute."""

from interlock._protocol.layout import LISTING, PARTITION_KEY
from interlock.testing._store.attributes import invalid
from interlock.testing._store.tables import Table

_LISTING = Table("", partition_key=LISTING, sort_key=PARTITION_KEY)


def keys_of(table: Table, index: str | None) -> Table:
    """Return the schema that a Query goes by: the table's own, or that of the index it names."""
    if index is None:
        return table
    if index == LISTING and table.key_names == (PARTITION_KEY,):
        return _LISTING
    raise invalid(f"The table does not have the specified index: {index}")
