"""What is granted and measured of a coordination table, made by CDK or imported."""

from collections.abc import Sequence
from typing import Unpack

from aws_cdk import Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from interlock.constructs.metric_options import MetricOptions, metric_of
from interlock.constructs.runtime_layer import RuntimeLayer
from interlock.metrics import NAMESPACE, Metric

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


class ICoordinationTable(Construct):
    """A coordination table: made by `CoordinationTable`, or imported by its `from_*` methods.

    `encryption_key` is None where a table's key is not known or is owned by AWS.
    """

    table: dynamodb.ITable
    encryption_key: kms.IKey | None

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

    def metric(self, metric: Metric, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Return a metric that the runtime reports of this table: a sum over one minute.

        Times are in milliseconds, and by default their 99th percentile; all else is counted.
        """
        statistic = "p99" if metric.unit == "Milliseconds" else cloudwatch.Stats.SUM
        dimensions = {"Table": self.table_name}
        return metric_of(
            NAMESPACE, metric.value, dimensions, default_statistic=statistic, **options
        )

    def metric_locks_acquired(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Count the locks that were acquired."""
        return self.metric(Metric.LOCKS_ACQUIRED, **options)

    def metric_locks_contended(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Count acquisitions that met another holder."""
        return self.metric(Metric.LOCKS_CONTENDED, **options)

    def metric_locks_lost(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Count locks lost before their holder released them."""
        return self.metric(Metric.LOCKS_LOST, **options)

    def metric_lock_wait_time(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Measure how long acquisitions waited: 99th percentile, in milliseconds."""
        return self.metric(Metric.LOCK_WAIT_TIME, **options)

    def metric_read_throttle_events(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Count the reads that DynamoDB throttled.

        By table; `ThrottledRequests` has no such sum, only one by operation:
        https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
        """
        return self._table_metric("ReadThrottleEvents", **options)

    def metric_write_throttle_events(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Count the writes that DynamoDB throttled."""
        return self._table_metric("WriteThrottleEvents", **options)

    def metric_transaction_conflict(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Count item-level requests refused because a transaction was under way."""
        return self._table_metric("TransactionConflict", **options)

    def metric_conditional_check_failed_requests(
        self, **options: Unpack[MetricOptions]
    ) -> cloudwatch.Metric:
        """Count writes whose condition did not hold."""
        return self._table_metric("ConditionalCheckFailedRequests", **options)

    def _table_metric(self, name: str, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        return metric_of("AWS/DynamoDB", name, {"TableName": self.table_name}, **options)

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
