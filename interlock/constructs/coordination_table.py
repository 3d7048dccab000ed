"""The table behind locks, counters and transactions."""

from aws_cdk import RemovalPolicy, Stack, Token
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from interlock.constructs.icoordination_table import LISTING_INDEX, ICoordinationTable


class CoordinationTable(ICoordinationTable):
    """The DynamoDB table behind Interlock's locks, counters and transactions.

    On demand, encrypted with a key of its own that rotates, recoverable to a point in time,
    protected against deletion and retained.

    `encryption_key` is a key that exists (default: a new one). `deletion_protection` follows
    `removal_policy` (default: retain) unless it is given. A table that exists comes in through
    `from_table` or `from_table_name`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        encryption_key: kms.IKey | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
        deletion_protection: bool | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.encryption_key = encryption_key or kms.Key(
            self,
            "Key",
            description="Interlock: coordination table",
            enable_key_rotation=True,
            removal_policy=removal_policy,
        )
        keep = removal_policy is not RemovalPolicy.DESTROY
        anywhere = Token.is_unresolved(Stack.of(self).region)
        table = dynamodb.TableV2(
            self,
            "Table",
            partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            billing=dynamodb.Billing.on_demand(),
            encryption=(
                None
                if anywhere
                else dynamodb.TableEncryptionV2.customer_managed_key(self.encryption_key)
            ),
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute="expires",
            deletion_protection=keep if deletion_protection is None else deletion_protection,
            removal_policy=removal_policy,
            global_secondary_indexes=[
                dynamodb.GlobalSecondaryIndexPropsV2(
                    index_name=LISTING_INDEX,
                    partition_key=dynamodb.Attribute(
                        name="listing", type=dynamodb.AttributeType.STRING
                    ),
                    sort_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
                    projection_type=dynamodb.ProjectionType.KEYS_ONLY,
                )
            ],
        )
        if anywhere:
            _encrypt(table, self.encryption_key)
        self.table = table

    @classmethod
    def from_table(
        cls,
        scope: Construct,
        construct_id: str,
        *,
        table: dynamodb.ITable,
        encryption_key: kms.IKey | None = None,
    ) -> ICoordinationTable:
        """Use a table that exists: partition key `pk` (S), TTL attribute `expires`.

        `encryption_key` is its customer-managed key; without one no grant on a key is given
        (default: the table's own, where it is known).
        """
        return _ImportedTable(scope, construct_id, table, encryption_key or table.encryption_key)

    @classmethod
    def from_table_name(
        cls, scope: Construct, construct_id: str, table_name: str
    ) -> ICoordinationTable:
        """Use a table of this account and region by its name.

        Raises `ValueError` for an empty name.
        """
        if not Token.is_unresolved(table_name) and not table_name:
            raise ValueError("table_name is empty: give the name of a table that exists")
        imported = _ImportedTable(scope, construct_id, None, None)
        imported.table = dynamodb.Table.from_table_name(imported, "Table", table_name)
        return imported


class _ImportedTable(ICoordinationTable):
    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        table: dynamodb.ITable | None,
        encryption_key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, construct_id)
        if table is not None:
            self.table = table
        self.encryption_key = encryption_key


def _encrypt(table: dynamodb.TableV2, key: kms.IKey) -> None:
    """Set the key of a table whose region is unknown, where `TableV2` itself would refuse one."""
    resource = table.node.default_child
    if not isinstance(resource, dynamodb.CfnGlobalTable):
        raise TypeError(f"table {table.node.path} has no CfnGlobalTable")
    resource.add_property_override("SSESpecification", {"SSEEnabled": True, "SSEType": "KMS"})
    resource.add_property_override("Replicas.0.SSESpecification.KMSMasterKeyId", key.key_arn)
