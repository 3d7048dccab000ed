"""Tables that exist, as an app brings them in."""

from aws_cdk import Token
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms

from interlock._protocol.layout import TableLayout, checked_layout
from interlock.constructs.granting import note_coordination_table
from interlock.constructs.icoordination_table import ICoordinationTable


class ImportedTable(ICoordinationTable):
    """A table that an app imports."""

    def use(
        self,
        table: dynamodb.ITable,
        encryption_key: kms.IKey | None,
        layout: TableLayout,
        *,
        listing: bool,
    ) -> None:
        """Stand for a table."""
        self.has_listing = listing
        self.table, self.encryption_key, self.layout = table, encryption_key, layout
        note_coordination_table(table, encryption_key, layout.prefix)


def literal_layout(layout: TableLayout | None) -> TableLayout:
    """Return a layout, or raise `ValueError` for one that the template does not know yet."""
    named = checked_layout(layout)
    if any(map(Token.is_unresolved, _names(named))):
        raise ValueError(
            "layout has a value from a token, which is known when the stack is deployed: give it "
            "literally, as grants and environment variables are written from it now"
        )
    return named


def checked_replica(table: dynamodb.ITable) -> bool:
    """Whether a table is a replica; raise `ValueError` if one region may be behind another."""
    main = table.node.scope
    resource = (main if isinstance(main, dynamodb.TableV2) else table).node.default_child
    if not isinstance(resource, dynamodb.CfnGlobalTable):
        return False
    strong = resource.multi_region_consistency == "STRONG"
    if isinstance(main, dynamodb.TableV2) and not strong:
        raise ValueError(
            f"{table.node.path} is a replica that may be behind the others, so two could hold one "
            "lock: use the table of one region, or multi_region_consistency=STRONG"
        )
    return strong


def _names(layout: TableLayout) -> list[str]:
    named = (layout.partition_key, layout.prefix, layout.ttl, *(layout.sort_key or ()))
    return [*named, layout.listing_index, layout.listing_key]
