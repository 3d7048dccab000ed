"""Grants and metrics of a coordination table, made by CDK or imported."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from aws_cdk import Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from interlock._protocol.counters.layout import LISTING
from interlock._protocol.layout import TableLayout, attribute_in
from interlock._protocol.locks.breaking import ATTRIBUTES as BREAKING
from interlock._protocol.locks.reading import ATTRIBUTES as SCANNED
from interlock._protocol.texts import texts
from interlock.constructs.attaching import checked_target, install
from interlock.constructs.granting import (
    allow_items,
    allow_key,
    key_of,
    prefixes_of,
)
from interlock.constructs.key_patterns import (
    COUNTERS,
    LOCKS,
    RECORDS,
    checked_prefix,
    literal,
    patterns,
    reserved,
)
from interlock.constructs.metric_options import MetricOptions, metric_of
from interlock.metrics import NAMESPACE, Metric

if TYPE_CHECKING:
    from interlock.constructs.attaching import Target

TABLE_VARIABLE = "INTERLOCK_TABLE"
_LAYOUT_SUFFIX = "_LAYOUT"  # of the variable that says the layout of the table in another one

_CHECK = "dynamodb:ConditionCheckItem"
_DESCRIBE = (
    "dynamodb:DescribeContinuousBackups",
    "dynamodb:DescribeTable",
    "dynamodb:DescribeTimeToLive",
)
_READ = ("dynamodb:BatchGetItem", "dynamodb:GetItem")
_UNSEEN = ("#once#*", "#new#*")  # of a counter: who operates has no need of others' results
_WRITE = ("dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem")


class ICoordinationTable(Construct):
    """A coordination table: made by `CoordinationTable`, or imported by its `from_*` methods.

    `encryption_key` is None where a table's key is not known or is owned by AWS.
    """

    table: dynamodb.ITable
    encryption_key: kms.IKey | None
    layout: TableLayout = TableLayout()
    """The names of the table's keys, and the prefix of the library's items in it."""
    is_strongly_consistent_global: bool = False
    """Whether the table is one of several regions, written in all of them at once."""
    has_listing: bool = True
    """Whether the table has the index by which counters are listed."""

    @property
    def table_name(self) -> str:
        """The table's name, as the runtime's clients take it."""
        return self.table.table_name

    @property
    def table_arn(self) -> str:
        """The table's ARN, as clients in another region or account take it."""
        return self.table.table_arn

    def grant_locks(self, grantee: iam.IGrantable, *names: str) -> iam.Grant:
        """Let a grantee take, renew, inspect and release the locks with these names.

        A name may end in `*` ("orders/*"); "*" alone is every lock. The permits of a semaphore
        and the slots of a `ReadWriteLock` go with its name. Several are given back by one call of
        PartiQL, which is confined as all others are. Raises `ValueError` for none, and for what no
        lock is called.
        """
        actions = (*_READ, "dynamodb:UpdateItem", "dynamodb:PartiQLUpdate", _CHECK)
        return self._grant(grantee, self._patterns(LOCKS, names, with_parts=True), actions)

    def grant_inspect_locks(self, grantee: iam.IGrantable, *names: str) -> iam.Grant:
        """Let a grantee see who holds the locks with these names, and nothing else.

        Names are as in `grant_locks`. Raises `ValueError` for none.
        """
        return self._grant(grantee, self._patterns(LOCKS, names), ("dynamodb:GetItem",))

    def grant_operate_read(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a grantee see all locks and counters, and examine the table, and change nothing.

        For the command `interlock --table`: it lists locks by a Scan that may read their attributes
        but `data` and no other record's, shows any lock, lists counters with their values, and
        describes the table, its time to live and backups. Records of idempotency keys stay unseen.
        Of a table without the index (`listing=False`) counters are shown by name only.
        """
        # A scan also looks at the sort key, by which it leaves out what is not the library's.
        scanned = self._attributes(SCANNED)
        counters = self._patterns(COUNTERS, ["*"])
        parts = [f"{every}{part}" for every in counters for part in _UNSEEN]
        grants = [
            self._grant(grantee, self._patterns(LOCKS, ["*"]), ("dynamodb:GetItem",)),
            allow_items(self, grantee, self.table, _READ, keys=counters, other_keys_than=parts),
            allow_items(self, grantee, self.table, ("dynamodb:Scan",), attributes=scanned),
            allow_items(self, grantee, self.table, _DESCRIBE),
        ]
        if self.has_listing:
            grants.append(self.grant_list_counters(grantee))
        return _all_of(grants)

    def grant_operate(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a grantee see what `grant_operate_read` shows, and break locks.

        For people on call: it breaks any lock, and mends corrupt records (`LockClient.break_lock`),
        by updates that name no attribute but those of a break. So it could take a lock, too;
        it guards no write by one, and changes nothing but locks.
        """
        broken = allow_items(
            self,
            grantee,
            self.table,
            ("dynamodb:UpdateItem",),
            keys=self._patterns(LOCKS, ["*"]),
            updated=self._attributes(BREAKING),
        )
        return _all_of([self.grant_operate_read(grantee), broken])

    def grant_counters(self, grantee: iam.IGrantable, *names: str) -> iam.Grant:
        """Let a grantee read and change the counters with these names.

        A name may end in `*`; "*" alone is every counter, and gives the list of them, too, where
        there is one (`grant_list_counters`). The shards and idempotency records of a counter go
        with it. Raises `ValueError` for none, and for a table without transactions.
        """
        self._need_transactions("counters")
        keys = self._patterns(COUNTERS, names, with_parts=True)
        if "*" in names and self.has_listing:
            self.grant_list_counters(grantee)
        return self._grant(grantee, keys, (*_READ, *_WRITE, _CHECK))

    def grant_list_counters(self, grantee: iam.IGrantable) -> iam.Grant:
        """Let a grantee list the names of all counters: an index has no namespaces.

        Of those under the layout's prefix, if it has one. Raises `ValueError` for a table without
        the index (`listing=False`).
        """
        if not self.has_listing:
            raise ValueError(
                f"{self.node.path} has no index to list counters by: leave listing=False out, or "
                "name the counters"
            )
        listed = allow_items(
            self,
            grantee,
            self.table,
            ("dynamodb:Query",),
            index=self.layout.listing_index,
            keys=[literal(self.layout.prefix) + LISTING],
        )
        return self._with_key(grantee, listed)

    def grant_transactions(
        self,
        grantee: iam.IGrantable,
        *,
        tables: Sequence[dynamodb.ITable] = (),
        once: Sequence[str] = (),
    ) -> iam.Grant:
        """Let a grantee run transactions on these tables, exactly-once by records in this one.

        The tables get the item actions and no other; a coordination table among them those on
        items of the application's own, and on none of Interlock's. `once` names the idempotency
        records, by what follows `once#` in their keys ("orders/*"; "*" alone is every record);
        without it commits with an idempotency key are refused. A commit that guards a lock also
        needs `grant_locks`.

        Raises `ValueError` without tables and records, and for a table without transactions.
        """
        self._need_transactions("transactions")
        tables = _several("tables", tables)
        if not tables and not once:
            raise ValueError("nothing to grant: give tables, once, or both")
        grants = [self._grant_table(grantee, table) for table in tables]
        if once:
            keys = self._patterns(RECORDS, once, parameter="once")
            grants.append(self._grant(grantee, keys, ("dynamodb:GetItem", "dynamodb:PutItem")))
        return _all_of(grants)

    def grant_prefix(self, grantee: iam.IGrantable, prefix: str, *names: str) -> iam.Grant:
        """Let a grantee read and write an application's own items, whose keys have this prefix.

        So that state which must change together with a lock can be in the same table. Names are as
        in `grant_locks`. Raises `ValueError` for a prefix of Interlock's own, one that does not end
        in `#`, and no names.
        """
        keys = patterns(checked_prefix(prefix, self.layout.prefix), names)
        return self._grant(grantee, keys, (*_READ, *_WRITE, _CHECK))

    def attach_to(
        self,
        target: "Target",
        *,
        locks: Sequence[str] = (),
        counters: Sequence[str] = (),
        transactions_on: Sequence[dynamodb.ITable] = (),
        once: Sequence[str] = (),
        variable: str = TABLE_VARIABLE,
        layer: lambda_.ILayerVersion | None = None,
    ) -> None:
        """Give a target this table in an environment variable, the grants, and the runtime.

        `target` is a Lambda function, an ECS task or container definition, an instance, a launch
        template or an Auto Scaling group that this app makes. A function gets the runtime's layer
        (`layer` is one that exists; default: one for the stack, made when first needed); images
        and instances bring the runtime themselves. Instances have the variable in
        `/etc/environment`. Its value is the table's name, or its ARN where the table is in another
        region or account; clients take either. A layout that is not the default is in a variable
        of that name with `_LAYOUT` behind it, for `TableLayout.parse`.

        To attach again adds what is new. `locks`, `counters`, `transactions_on` and `once` are as
        in the `grant_...` methods. Raises `ValueError` for a bare string among these, for another
        table in the same `variable`, and for a target that cannot be given a variable.
        """
        # All is checked before anything is changed.
        names = {"locks": texts("locks", locks), "counters": texts("counters", counters)}
        records, tables = texts("once", once), _several("transactions_on", transactions_on)
        values = {variable: self._named_for(checked_target(target))}
        if not self.layout.is_default:
            values[variable + _LAYOUT_SUFFIX] = str(self.layout)
        principal = install(target, variable, values, layer)
        if names["locks"]:
            self.grant_locks(principal, *names["locks"])
        if names["counters"]:
            self.grant_counters(principal, *names["counters"])
        if tables or records:
            self.grant_transactions(principal, tables=tables, once=records)

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

    def metric_locks_broken(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Count locks that were broken from outside, as their holders learn of it."""
        return self.metric(Metric.LOCKS_BROKEN, **options)

    def metric_lock_wait_time(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Measure how long acquisitions waited: 99th percentile, in milliseconds."""
        return self.metric(Metric.LOCK_WAIT_TIME, **options)

    def metric_lock_hold_time(self, **options: Unpack[MetricOptions]) -> cloudwatch.Metric:
        """Measure how long locks were held that have ended: 99th percentile, in milliseconds."""
        return self.metric(Metric.LOCK_HOLD_TIME, **options)

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
        dimensions = {"TableName": self.table_name}
        return metric_of("AWS/DynamoDB", name, dimensions, of=self.table, **options)

    def _patterns(
        self,
        prefix: str,
        names: Sequence[str],
        *,
        parameter: str = "names",
        with_parts: bool = False,
    ) -> list[str]:
        """Return the patterns of the library's items with these names, as the table has them."""
        under = self.layout.prefix
        return patterns(prefix, names, parameter=parameter, with_parts=with_parts, under=under)

    def _attributes(self, own: Sequence[str]) -> tuple[str, ...]:
        """Return attributes of the library's items as the table has them, and its keys."""
        named = (attribute_in(self.layout, name) for name in own)
        return tuple(dict.fromkeys((*named, *self.layout.key_names)))

    def _grant(
        self, grantee: iam.IGrantable, keys: Sequence[str], actions: Sequence[str]
    ) -> iam.Grant:
        granted = allow_items(self, grantee, self.table, actions, keys=keys)
        return self._with_key(grantee, granted)

    def _with_key(self, grantee: iam.IGrantable, granted: iam.Grant) -> iam.Grant:
        of_key = allow_key(self, grantee, self.table, self.encryption_key)
        return granted if of_key is None else _all_of([granted, of_key])

    def _grant_table(self, grantee: iam.IGrantable, table: dynamodb.ITable) -> iam.Grant:
        kept = [pattern for prefix in sorted(self._prefixes(table)) for pattern in reserved(prefix)]
        granted = allow_items(
            self,
            grantee,
            table,
            ("dynamodb:GetItem", *_WRITE, _CHECK),
            other_keys_than=kept,
        )
        of_key = allow_key(self, grantee, table, key_of(table))
        return granted if of_key is None else _all_of([granted, of_key])

    def _prefixes(self, table: dynamodb.ITable) -> set[str]:
        """Return what begins the library's keys in a table, nothing if none are there."""
        stack = Stack.of(self)
        same = stack.resolve([table.table_arn]) == stack.resolve([self.table_arn])
        return {*prefixes_of(table), *(prefixes_of(self.table) if same else ())}

    def _need_transactions(self, what: str) -> None:
        if self.is_strongly_consistent_global:
            raise ValueError(
                f"a strongly consistent global table has no transactions, which {what} need: "
                "keep these in a table of one region"
            )

    def _named_for(self, target: "Target") -> str:
        """Return the table as a client of this target has to name it."""
        here, there = Stack.of(target), self.table.env
        at_home = (here.region, here.account) == (there.region, there.account)
        return self.table_name if at_home else self.table_arn


def _all_of(grants: Sequence[iam.Grant]) -> iam.Grant:
    """Return the one that failed, or else all of them as one."""
    for each in grants:
        if not each.success:
            return each
    first, *others = grants
    for each in others:
        first = first.combine(each)
    return first


def _several(parameter: str, tables: Sequence[dynamodb.ITable]) -> Sequence[dynamodb.ITable]:
    """Return several tables; refuse one alone, and what is none."""
    if hasattr(tables, "table_arn"):
        raise ValueError(f"{parameter} is one table; write {parameter}=[table]")
    several = [tables] if isinstance(tables, str) else list(tables)
    for each in several:
        if not hasattr(each, "table_arn"):
            raise ValueError(
                f"{parameter} has {each!r}, which is no table: give constructs, or what "
                "dynamodb.Table.from_table_name returns"
            )
    return several
