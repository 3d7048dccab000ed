"""The table behind locks, counters and transactions."""

import re
from collections.abc import Sequence
from typing import Any, cast

import jsii
from aws_cdk import (
    Annotations,
    AspectPriority,
    Aspects,
    CfnDeletionPolicy,
    IAspect,
    RemovalPolicy,
    Stack,
    Token,
)
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct, IConstruct

from interlock._protocol.layout import TableLayout
from interlock._protocol.texts import texts
from interlock.constructs.granting import key_of, note_coordination_table
from interlock.constructs.icoordination_table import ICoordinationTable
from interlock.constructs.importing import ImportedTable, checked_replica, literal_layout
from interlock.constructs.schema import (
    LISTING_INDEX,
    LISTING_KEY,
    PARTITION_KEY,
    TIME_TO_LIVE,
    check_schema,
)

_NAME = re.compile(r"[a-zA-Z0-9_.-]{3,255}")
_ARN = re.compile(rf"arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{{12}}:table/{_NAME.pattern}")
_REGIONS_OF_QUORUM = 3
_AFTER_MUTATIONS = AspectPriority.DEFAULT + 100  # RemovalPolicies.of(...) is a mutating aspect


class CoordinationTable(ICoordinationTable):
    """The DynamoDB table behind Interlock's locks, counters and transactions.

    On demand, encrypted with a key of its own that rotates, recoverable to a point in time,
    protected against deletion and retained. `interlock.constructs.schema` has its schema.

    `encryption_key` is a key that exists (default: a new one); `encryption` another kind of
    encryption, such as `TableEncryptionV2.dynamo_owned_key()`. `deletion_protection` follows the
    removal policy (default: retain), that of an aspect too, unless it is given. `table_name` is
    CloudFormation's choice by default; a fixed one stands in the way of a replacement. `billing`
    may set the most of on-demand throughput (`Billing.on_demand(max_read_request_units=...)`).

    `listing=False` leaves the index out by which counters are listed, for a table that counts
    little, or has capacity that is provisioned by index: `CounterClient.names`, `page` and `states`
    then raise `TableUnfit`, and `grant_list_counters` `ValueError`; all else is as it was. Another
    deployment may add it, and finds the counters that are there. Locks are in no index: who lists
    them reads the table, and who takes one pays nothing for it.

    `replicas` and `witness` make a strongly consistent global table of three regions: two replicas
    beside this one, or a replica and a witness. Locks and elections work there from every region;
    DynamoDB has no transactions and no time to live on such a table, so counters, guarded commits
    and `acquire_all` do not, and rows of locks stay. Give `encryption`, which has the replicas'
    keys.

    A table that exists comes in through `from_table`, `from_table_arn` or `from_table_name`.
    Raises `ValueError` for options that contradict each other.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        encryption_key: kms.IKey | None = None,
        encryption: dynamodb.TableEncryptionV2 | None = None,
        removal_policy: RemovalPolicy = RemovalPolicy.RETAIN,
        deletion_protection: bool | None = None,
        table_name: str | None = None,
        billing: dynamodb.Billing | None = None,
        warm_throughput: dynamodb.WarmThroughput | None = None,
        resource_policy: iam.PolicyDocument | None = None,
        stream: dynamodb.StreamViewType | None = None,
        point_in_time_recovery: bool = True,
        replicas: Sequence[str] = (),
        witness: str | None = None,
        listing: bool = True,
    ) -> None:
        super().__init__(scope, construct_id)
        if encryption is not None and encryption_key is not None:
            raise ValueError("encryption_key is given beside encryption: give one of them")
        if deletion_protection and _is_destroy(removal_policy):
            raise ValueError(
                "deletion_protection is on and removal_policy is DESTROY: the table could not be "
                "deleted; leave one of them out"
            )
        if table_name is not None:
            _check_name(table_name)
        regions = _regions(texts("replicas", replicas), witness, encryption)
        self.is_strongly_consistent_global = bool(regions)
        self.has_listing = listing
        if encryption is None:
            self.encryption_key = encryption_key or kms.Key(
                self,
                "Key",
                description="Interlock: coordination table",
                enable_key_rotation=True,
                removal_policy=removal_policy,
            )
        else:
            self.encryption_key = encryption.table_key
        anywhere = Token.is_unresolved(Stack.of(self).region)
        if self.encryption_key is not None and encryption is None and not anywhere:
            encryption = dynamodb.TableEncryptionV2.customer_managed_key(self.encryption_key)
        several: dict[str, Any] = {"time_to_live_attribute": TIME_TO_LIVE}
        if regions:
            several = {
                "multi_region_consistency": dynamodb.MultiRegionConsistency.STRONG,
                "replicas": [dynamodb.ReplicaTableProps(region=region) for region in regions],
                "witness_region": witness,
            }
        table = dynamodb.TableV2(
            self,
            "Table",
            table_name=table_name,
            partition_key=_text(PARTITION_KEY),
            billing=billing or dynamodb.Billing.on_demand(),
            warm_throughput=warm_throughput,
            encryption=encryption,
            resource_policy=resource_policy,
            dynamo_stream=stream,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=point_in_time_recovery
            ),
            deletion_protection=(
                not _is_destroy(removal_policy)
                if deletion_protection is None
                else deletion_protection
            ),
            removal_policy=removal_policy,
            global_secondary_indexes=[_listing()] if listing else None,
            **several,
        )
        if encryption is None and self.encryption_key is not None:
            _encrypt(table, self.encryption_key)
        protection = _Protection(explicit=bool(deletion_protection))
        Aspects.of(table).add(cast("IAspect", protection), priority=_AFTER_MUTATIONS)
        self.table = table
        note_coordination_table(table, self.encryption_key, self.layout.prefix)

    @classmethod
    def from_table(
        cls,
        scope: Construct,
        construct_id: str,
        *,
        table: dynamodb.ITable,
        encryption_key: kms.IKey | None = None,
        layout: TableLayout | None = None,
        listing: bool = True,
    ) -> ICoordinationTable:
        """Use a table that exists, of any account and region; it stays where it is.

        It needs the schema of `interlock.constructs.schema`: partition key `pk` (S), an index
        `listing` with the keys `listing` and `pk` (S), time to live by `expires`; or the same under
        the names of a `layout`, which `attach_to` hands on and each client has to be given. Grants
        are then confined to keys under the layout's prefix. `listing=False` says that it has no
        such index, as `CoordinationTable(listing=False)`.

        `encryption_key` is its customer-managed key; without one no grant on a key is given
        (default: the table's own, where it is known). Raises `ValueError` for a table of this app
        with another schema, and for a replica of a global table that is not strongly consistent:
        there two holders could have one lock.
        """
        named = literal_layout(layout)
        check_schema(table, named, listing=listing)
        imported = ImportedTable(scope, construct_id)
        imported.is_strongly_consistent_global = checked_replica(table)
        imported.use(table, encryption_key or key_of(table), named, listing=listing)
        return imported

    @classmethod
    def from_table_arn(
        cls,
        scope: Construct,
        construct_id: str,
        table_arn: str,
        *,
        encryption_key: kms.IKey | None = None,
        layout: TableLayout | None = None,
        listing: bool = True,
    ) -> ICoordinationTable:
        """Use a table of any account and region by its ARN, as `from_table` does.

        A grant on a table of another account is half of one: the other half is its owner's
        resource policy and key policy, which a warning spells out. Raises `ValueError` for what is
        no ARN of a table.
        """
        if not Token.is_unresolved(table_arn) and not _ARN.fullmatch(table_arn):
            raise ValueError(f"table_arn is {table_arn!r}: give arn:aws:dynamodb:...:table/NAME")
        named = literal_layout(layout)
        imported = ImportedTable(scope, construct_id)
        table = dynamodb.TableV2.from_table_arn(imported, "Table", table_arn)
        imported.use(table, encryption_key, named, listing=listing)
        return imported

    @classmethod
    def from_table_name(
        cls,
        scope: Construct,
        construct_id: str,
        table_name: str,
        *,
        encryption_key: kms.IKey | None = None,
        layout: TableLayout | None = None,
        listing: bool = True,
    ) -> ICoordinationTable:
        """Use a table of this account and region by its name, as `from_table` does.

        Raises `ValueError` for what no table is called.
        """
        _check_name(table_name, "; or use from_table_arn")
        named = literal_layout(layout)
        imported = ImportedTable(scope, construct_id)
        table = dynamodb.TableV2.from_table_name(imported, "Table", table_name)
        imported.use(table, encryption_key, named, listing=listing)
        return imported


@jsii.implements(IAspect)
class _Protection:
    """Keeps deletion protection and removal policy of one mind, whatever changed the policy."""

    def __init__(self, *, explicit: bool) -> None:
        self._explicit = explicit

    def visit(self, node: IConstruct) -> None:
        if not isinstance(node, dynamodb.CfnGlobalTable):
            return
        if node.cfn_options.deletion_policy is not CfnDeletionPolicy.DELETE:
            return
        if self._explicit:
            Annotations.of(node).add_error(
                "the removal policy is DESTROY and deletion_protection=True: the table could not "
                "be deleted; leave one of them out"
            )
            return
        replicas = Stack.of(node).resolve(node.replicas)
        for number in range(len(replicas)):
            node.add_property_override(f"Replicas.{number}.DeletionProtectionEnabled", value=False)


def _check_name(table_name: str, otherwise: str = "") -> None:
    if not Token.is_unresolved(table_name) and not _NAME.fullmatch(table_name):
        raise ValueError(
            f"table_name is {table_name!r}: give the name of a table, 3 to 255 of a-z, A-Z, 0-9, "
            f"'_', '-' and '.'{otherwise}"
        )


def _is_destroy(policy: RemovalPolicy) -> bool:
    return policy is RemovalPolicy.DESTROY


def _text(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)


def _listing() -> dynamodb.GlobalSecondaryIndexPropsV2:
    return dynamodb.GlobalSecondaryIndexPropsV2(
        index_name=LISTING_INDEX,
        partition_key=_text(LISTING_KEY),
        sort_key=_text(PARTITION_KEY),
        projection_type=dynamodb.ProjectionType.KEYS_ONLY,
    )


def _regions(
    replicas: Sequence[str], witness: str | None, encryption: dynamodb.TableEncryptionV2 | None
) -> Sequence[str]:
    """Return the replicas of a strongly consistent table, or raise `ValueError`."""
    if not replicas and witness is None:
        return ()
    named = [*replicas, *([witness] if witness else [])]
    if len(set(named)) != len(named) or len(named) != _REGIONS_OF_QUORUM - 1 or not replicas:
        raise ValueError(
            f"replicas {list(replicas)} and witness {witness!r} are no quorum: a strongly "
            "consistent table has two replicas beside this one, or a replica and a witness"
        )
    if encryption is None:
        raise ValueError(
            "replicas are given without encryption: a key is one region's; give "
            "TableEncryptionV2.dynamo_owned_key(), or customer_managed_key(key, replica_key_arns)"
        )
    return replicas


def _encrypt(table: dynamodb.TableV2, key: kms.IKey) -> None:
    """Set the key of a table whose region is unknown, where `TableV2` itself would refuse one."""
    resource = table.node.default_child
    if not isinstance(resource, dynamodb.CfnGlobalTable):
        raise TypeError(f"table {table.node.path} has no CfnGlobalTable")
    resource.add_property_override("SSESpecification", {"SSEEnabled": True, "SSEType": "KMS"})
    resource.add_property_override("Replicas.0.SSESpecification.KMSMasterKeyId", key.key_arn)
