"""The table behind locks, counters and transactions, and who may touch which part of it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from aws_cdk import Duration, RemovalPolicy, Stack, Token
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from interlock.constructs.runtime_layer import RuntimeLayer
from interlock.metrics import NAMESPACE, Metric

if TYPE_CHECKING:
    from interlock.constructs.monitoring import Thresholds

TABLE_VARIABLE = "INTERLOCK_TABLE"
OWN_PREFIXES = frozenset({"counter#", "lock#", "once#"})
LISTING_INDEX = "listing"  # sparse; only headers of counters are in it

_CHECK = "dynamodb:ConditionCheckItem"
_READ = ("dynamodb:BatchGetItem", "dynamodb:GetItem")
_WRITE = ("dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem")
_KEY_ACTIONS = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)


class CoordinationTable(Construct):
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
        self.encryption_key: kms.IKey | None = encryption_key or kms.Key(
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
        self.table: dynamodb.ITable = table

    @classmethod
    def from_table(
        cls,
        scope: Construct,
        construct_id: str,
        *,
        table: dynamodb.ITable,
        encryption_key: kms.IKey | None = None,
    ) -> Self:
        """Use a table that exists: partition key `pk` (S), TTL attribute `expires`.

        `encryption_key` is its customer-managed key; without one no grant on a key is given
        (default: the table's own, where it is known).
        """
        imported = cls.__new__(cls)
        Construct.__init__(imported, scope, construct_id)
        imported.table = table
        imported.encryption_key = encryption_key or table.encryption_key
        return imported

    @classmethod
    def from_table_name(cls, scope: Construct, construct_id: str, table_name: str) -> Self:
        """Use a table of this account and region by its name.

        Raises `ValueError` for an empty name.
        """
        if not Token.is_unresolved(table_name) and not table_name:
            raise ValueError("table_name is empty: give the name of a table that exists")
        imported = cls.__new__(cls)
        Construct.__init__(imported, scope, construct_id)
        imported.table = dynamodb.Table.from_table_name(imported, "Table", table_name)
        imported.encryption_key = None
        return imported

    @property
    def table_name(self) -> str:
        """The table's name, as the runtime's clients take it."""
        return self.table.table_name

    def grant_locks(self, grantee: iam.IGrantable, *names: str) -> iam.Grant:
        """Let a grantee take, renew, inspect and release the locks with these names.

        A name may end in `*` ("orders/*"); "*" alone is every lock. The permits of a semaphore go
        with its name. Raises `ValueError` for none.
        """
        actions = (*_READ, "dynamodb:UpdateItem", _CHECK)
        return self._grant_keys(grantee, "lock#", _with_parts(names), actions)

    def grant_inspect_locks(self, grantee: iam.IGrantable, *names: str) -> iam.Grant:
        """Let a grantee see who holds the locks with these names, and nothing else.

        Names are as in `grant_locks`. Raises `ValueError` for none.
        """
        return self._grant_keys(grantee, "lock#", names, ("dynamodb:GetItem",))

    def grant_counters(self, grantee: iam.IGrantable, *names: str) -> iam.Grant:
        """Let a grantee read, change and list the counters with these names.

        A name may end in `*`; "*" alone is every counter. The shards and idempotency records of a
        counter go with it. The list shows all names. Raises `ValueError` for none.
        """
        self._allow(
            grantee,
            ("dynamodb:Query",),
            resources=[f"{self.table.table_arn}/index/{LISTING_INDEX}"],
            leading_keys=["counter"],
        )
        return self._grant_keys(grantee, "counter#", _with_parts(names), (*_READ, *_WRITE, _CHECK))

    def grant_transactions(
        self, grantee: iam.IGrantable, *, tables: Sequence[dynamodb.ITable] = ()
    ) -> iam.Grant:
        """Let a grantee run transactions on these tables, exactly-once by records in this one.

        The records are confined to the `once#` keys; the tables get the item actions and no other.
        A commit that guards a lock also needs `grant_locks`.
        """
        for table in tables:
            iam.Grant.add_to_principal(
                grantee=grantee,
                actions=["dynamodb:GetItem", *_WRITE, _CHECK],
                resource_arns=[table.table_arn],
            )
            self._allow_key(grantee, table.encryption_key)
        actions = ("dynamodb:GetItem", "dynamodb:PutItem")
        return self._grant_keys(grantee, "once#", ("*",), actions)

    def grant_prefix(self, grantee: iam.IGrantable, prefix: str, *names: str) -> iam.Grant:
        """Let a grantee read and write an application's own items, whose keys have this prefix.

        So that state which must change together with a lock can be in the same table. Raises
        `ValueError` for a prefix of Interlock's own, one that does not end in `#`, and no names.
        """
        if not prefix.endswith("#") or prefix in OWN_PREFIXES:
            raise ValueError(
                f"prefix {prefix!r} must end in '#' and be none of {sorted(OWN_PREFIXES)}"
            )
        return self._grant_keys(grantee, prefix, names, (*_READ, *_WRITE, _CHECK))

    def attach_to(
        self,
        function: lambda_.Function,
        *,
        locks: Sequence[str] = (),
        counters: Sequence[str] = (),
        transactions_on: Sequence[dynamodb.ITable] | None = None,
        layer: lambda_.ILayerVersion | None = None,
    ) -> None:
        """Give a function the runtime, the table's name in `INTERLOCK_TABLE`, and the grants.

        `layer` is a layer that exists (default: one for the stack, made when first needed).
        """
        function.add_layers(layer or RuntimeLayer.of(function))
        function.add_environment(TABLE_VARIABLE, self.table_name)
        if locks:
            self.grant_locks(function, *locks)
        if counters:
            self.grant_counters(function, *counters)
        if transactions_on is not None:
            self.grant_transactions(function, tables=transactions_on)

    def alarms(
        self, *, topic: sns.ITopic | None = None, thresholds: "Thresholds | None" = None
    ) -> Mapping[str, cloudwatch.AlarmBase]:
        """Make the alarms of `CoordinationMonitoring` for this table, without a dashboard.

        By name; `topic` is told when they go off and when they are over. Once a table.
        """
        from interlock.constructs.monitoring import (  # noqa: PLC0415 - costs 1.6 s to import
            CoordinationMonitoring,
        )

        return CoordinationMonitoring(
            self, "Alarms", table=self, topic=topic, thresholds=thresholds, dashboard=False
        ).alarms

    def metric(
        self, metric: Metric, *, statistic: str = "Sum", period: Duration | None = None
    ) -> cloudwatch.Metric:
        """Return any metric that the runtime reports of this table; `period` is 1 minute.

        Times are in milliseconds, all else is counted.
        """
        return cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=metric.value,
            dimensions_map={"Table": self.table_name},
            statistic=statistic,
            period=period or Duration.minutes(1),
        )

    def metric_acquired(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Count the locks that were acquired."""
        return self.metric(Metric.LOCKS_ACQUIRED, period=period)

    def metric_contended(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Count acquisitions that met another holder."""
        return self.metric(Metric.LOCKS_CONTENDED, period=period)

    def metric_lost(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Count locks lost before their holder released them."""
        return self.metric(Metric.LOCKS_LOST, period=period)

    def metric_wait_time(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Measure how long acquisitions waited: 99th percentile, in milliseconds."""
        return self.metric(Metric.LOCK_WAIT_TIME, statistic="p99", period=period)

    def metric_throttled_reads(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Count the reads that DynamoDB throttled.

        By table; `ThrottledRequests` has no such sum, only one by operation:
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
        """
        return self._table_metric("ReadThrottleEvents", period)

    def metric_throttled_writes(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Count the writes that DynamoDB throttled."""
        return self._table_metric("WriteThrottleEvents", period)

    def metric_conflicts(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Count item-level requests refused because a transaction was under way."""
        return self._table_metric("TransactionConflict", period)

    def metric_refused_conditions(self, *, period: Duration | None = None) -> cloudwatch.Metric:
        """Count writes whose condition did not hold."""
        return self._table_metric("ConditionalCheckFailedRequests", period)

    def _table_metric(self, name: str, period: Duration | None) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/DynamoDB",
            metric_name=name,
            dimensions_map={"TableName": self.table_name},
            statistic="Sum",
            period=period or Duration.minutes(1),
        )

    def _grant_keys(
        self,
        grantee: iam.IGrantable,
        prefix: str,
        names: Sequence[str],
        actions: Sequence[str],
    ) -> iam.Grant:
        if not names or not all(names):
            raise ValueError(f"{names!r} names nothing: give names, or '*' for every {prefix}")
        self._allow_key(grantee, self.encryption_key)
        return self._allow(
            grantee,
            actions,
            resources=[self.table.table_arn],
            leading_keys=[f"{prefix}{name}" for name in names],
        )

    def _allow(
        self,
        grantee: iam.IGrantable,
        actions: Sequence[str],
        *,
        resources: Sequence[str],
        leading_keys: Sequence[str],
    ) -> iam.Grant:
        return iam.Grant.add_to_principal(
            grantee=grantee,
            actions=sorted(actions),
            resource_arns=list(resources),
            conditions={
                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(leading_keys)},
                # ForAllValues also holds for a request without keys, which this refuses.
                "Null": {"dynamodb:LeadingKeys": "false"},
            },
        )

    def _allow_key(self, grantee: iam.IGrantable, key: kms.IKey | None) -> None:
        """Let the grantee use a key, through DynamoDB alone."""
        if key is None:
            return
        stack = Stack.of(self)
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=list(_KEY_ACTIONS),
            resource_arns=[key.key_arn],
            conditions={
                "StringEquals": {"kms:ViaService": f"dynamodb.{stack.region}.{stack.url_suffix}"}
            },
        )


def _with_parts(names: Sequence[str]) -> tuple[str, ...]:
    """Return patterns for the items of these names, and for what belongs to each."""
    return tuple(
        pattern
        for name in names
        for pattern in ((name,) if not name or name.endswith("*") else (name, f"{name}#*"))
    )


def _encrypt(table: dynamodb.TableV2, key: kms.IKey) -> None:
    """Set the key of a table whose region is unknown, where `TableV2` itself would refuse one."""
    resource = table.node.default_child
    if not isinstance(resource, dynamodb.CfnGlobalTable):
        raise TypeError(f"table {table.node.path} has no CfnGlobalTable")
    resource.add_property_override("SSESpecification", {"SSEEnabled": True, "SSEType": "KMS"})
    resource.add_property_override("Replicas.0.SSESpecification.KMSMasterKeyId", key.key_arn)
