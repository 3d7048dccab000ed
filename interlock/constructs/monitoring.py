"""Dashboards and alarms of a coordination table, of signing keys, and of what uses them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields

import cdk_monitoring_constructs as monitoring
from aws_cdk import Duration, Names
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from interlock.constructs.icoordination_table import ICoordinationTable
from interlock.constructs.signing import SigningKey
from interlock.constructs.thresholds import check_count, check_time, is_number
from interlock.metrics import Metric

_OF_MINUTES = 3  # an alarm looks at this many minutes,
_BAD_MINUTES = 2  # and goes off when so many of them were over the threshold
_TIMES = frozenset({"wait_time", "hold_time"})
_MAX_PREFIX_LENGTH = 160  # an alarm's name has at most 255 characters


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Alarm thresholds per minute. An alarm fires when two of three minutes reach its threshold.

    Counts, but for `wait_time`, the 99th percentile of the time that a lock was waited for, and
    `hold_time`, the longest for which one was held that has ended: an alarm only if it is given.
    None leaves an alarm out; its metric stays on the dashboard. Raises `ValueError` for a threshold
    that any minute reaches, or none.
    """

    throttles: int | None = 1
    conflicts: int | None = 100
    refused_conditions: int | None = 1000
    locks_lost: int | None = 1
    wait_time: Duration | None = field(default_factory=lambda: Duration.seconds(5))
    hold_time: Duration | None = None
    signing_errors: int | None = 1

    def __post_init__(self) -> None:
        """Refuse what is no threshold."""
        for each in fields(self):
            check = check_time if each.name in _TIMES else check_count
            check(each.name, getattr(self, each.name))


@dataclass(frozen=True)
class Watched:
    """A metric, the threshold of its alarm, and what to do then ("what is wrong: what helps").

    The threshold is per period; None leaves the alarm out, the metric stays on the dashboard.
    Raises `ValueError` without a name, and for a threshold that is no number.
    """

    name: str
    metric: cloudwatch.Metric
    threshold: float | None = None
    advice: str = ""

    def __post_init__(self) -> None:
        """Refuse what CloudWatch would."""
        if not isinstance(self.name, str) or not self.name:
            raise ValueError(f"name is {self.name!r}: give what the alarm is to be called")
        if self.threshold is not None and not is_number(self.threshold):
            raise ValueError(
                f"threshold is {self.threshold!r}: give a number, or None for no alarm"
            )


class CoordinationMonitoring(Construct):
    """A dashboard section and alarms for a coordination table and for signing keys.

    With `topic` the alarms notify it when they go off and when they are over. `facade` is a
    monitoring facade that exists: the section is added to its dashboard, and its alarm defaults
    hold (default: a facade and a dashboard of its own; `dashboard=False` makes alarms only).
    `alarms` has the alarms made, by name: ThrottledReads, ThrottledWrites, TransactionConflicts,
    RefusedConditions, LostLocks, LockWaitTime, LockHoldTime, and for each key SigningErrors, and
    SigningErrorsByAlias where the key was given an `alias_name`, by which a `Signer` may name it;
    numbered from the second key on. Each alarm's description says what to do.

    Raises `ValueError` without a table and without keys, and for a topic beside a facade.
    """

    facade: monitoring.MonitoringFacade

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: ICoordinationTable | None = None,
        signing_keys: Sequence[SigningKey] = (),
        topic: sns.ITopic | None = None,
        thresholds: Thresholds | None = None,
        facade: monitoring.MonitoringFacade | None = None,
        dashboard: bool = True,
    ) -> None:
        super().__init__(scope, construct_id)
        if table is None and not signing_keys:
            raise ValueError("nothing to watch: give a table, signing_keys, or both")
        if facade is not None and topic is not None:
            raise ValueError("topic is given beside a facade: give the facade's alarms an action")
        limits = thresholds or Thresholds()
        self.facade = facade or self._new_facade(topic, dashboard=dashboard)
        self.alarms: dict[str, cloudwatch.AlarmBase] = {}
        sections: dict[str, list[Watched]] = {}
        if table is not None:
            sections |= _of_table(table, limits)
        if signing_keys:
            sections["Signing errors"] = _of_keys(signing_keys, limits)
        self._add("Coordination", self.node.id, sections)
        if table is not None:
            self._add("Longest waits and holds", f"{self.node.id}-Longest", _longest(table, limits))

    def add_section(self, title: str, watched: Sequence[Watched]) -> None:
        """Add metrics of your own, with their alarms, under a title of their own.

        The alarms are added to `alarms`. Raises `ValueError` for none, and for a name that an
        alarm has already.
        """
        if not watched:
            raise ValueError(f"section {title!r} is empty: give at least one metric")
        twice = [each.name for each in watched if each.name in self.alarms]
        if twice:
            raise ValueError(f"alarms {twice} exist: give each metric a name of its own")
        self._add(title, title, {each.name: [each] for each in watched})

    def _add(self, title: str, alarms_name: str, sections: Mapping[str, Sequence[Watched]]) -> None:
        before = len(self.facade.created_alarms())
        self.facade.monitor_custom(
            alarm_friendly_name=alarms_name,
            human_readable_name=title,
            metric_groups=[_group(name, watched) for name, watched in sections.items()],
        )
        made = self.facade.created_alarms()[before:]
        names = [w.name for group in sections.values() for w in group if w.threshold is not None]
        self.alarms |= {name: each.alarm for name, each in zip(names, made, strict=True)}

    def _new_facade(
        self, topic: sns.ITopic | None, *, dashboard: bool
    ) -> monitoring.MonitoringFacade:
        prefix = Names.unique_resource_name(self, max_length=_MAX_PREFIX_LENGTH, separator="-")
        factory = monitoring.DefaultDashboardFactory(
            self, "Dashboards", dashboard_name_prefix=prefix, create_dashboard=dashboard
        )
        action = (
            monitoring.SnsAlarmActionStrategy(on_alarm_topic=topic, on_ok_topic=topic)
            if topic is not None
            else None
        )
        return monitoring.MonitoringFacade(
            self,
            "Facade",
            alarm_factory_defaults=monitoring.AlarmFactoryDefaults(
                actions_enabled=topic is not None, alarm_name_prefix=prefix, action=action
            ),
            dashboard_factory=factory,
        )


def _of_table(table: ICoordinationTable, limits: Thresholds) -> dict[str, list[Watched]]:
    wait = limits.wait_time
    seen = Metric.TRANSACTION_ATTEMPTS, Metric.TRANSACTION_CONFLICTS, Metric.TRANSACTION_THROTTLES
    return {
        "Throttles": [
            Watched(
                "ThrottledReads",
                table.metric_read_throttle_events(),
                limits.throttles,
                "DynamoDB throttles reads: find the hot key, and poll its lock less often.",
            ),
            Watched(
                "ThrottledWrites",
                table.metric_write_throttle_events(),
                limits.throttles,
                "DynamoDB throttles writes: find the hot key, give its counter more shards.",
            ),
        ],
        "Contention": [
            Watched(
                "TransactionConflicts",
                table.metric_transaction_conflict(),
                limits.conflicts,
                "Transactions meet on the same items: make them smaller, or spread the items.",
            ),
            Watched(
                "RefusedConditions",
                table.metric_conditional_check_failed_requests(),
                limits.refused_conditions,
                "Many writes are refused: find who polls a held lock, or a full counter.",
            ),
        ],
        "Transactions": [_seen(table.metric(metric)) for metric in seen],
        "Locks": [
            _seen(table.metric_locks_acquired()),
            _seen(table.metric_locks_contended()),
            Watched(
                "LostLocks",
                table.metric_locks_lost(),
                limits.locks_lost,
                "Locks were lost while held: look for pauses, or for work longer than a lease.",
            ),
            _seen(table.metric_locks_broken()),
        ],
        "Waiting for locks": [
            Watched(
                "LockWaitTime",
                table.metric_lock_wait_time(),
                None if wait is None else wait.to_milliseconds(),
                "Locks are waited for too long: see who holds them (`interlock locks show`).",
            ),
        ],
    }


def _longest(table: ICoordinationTable, limits: Thresholds) -> dict[str, list[Watched]]:
    """Return a row of the dashboard: what a person who looks for a stuck lock asks first."""
    most, hold = cloudwatch.Stats.MAXIMUM, limits.hold_time
    wait = table.metric_lock_wait_time(statistic=most)
    return {
        "Longest wait": [_seen(wait)],
        "Longest hold": [
            Watched(
                "LockHoldTime",
                table.metric_lock_hold_time(statistic=most),
                None if hold is None else hold.to_milliseconds(),
                "Locks are held too long: see which (`interlock locks ls --held`), and by whom.",
            ),
        ],
        "Breaks": [_seen(table.metric_locks_broken())],
    }


def _seen(metric: cloudwatch.Metric) -> Watched:
    """Return a metric that is on the dashboard only."""
    return Watched(metric.metric_name, metric)


def _of_keys(keys: Sequence[SigningKey], limits: Thresholds) -> list[Watched]:
    found = []
    for number, key in enumerate(keys, start=1):
        name = f"SigningErrors{number if number > 1 else ''}"
        advice = "KMS did not sign: see the key's state, its grants, and the account's KMS quota."
        found.append(Watched(name, key.metric_signing_errors(), limits.signing_errors, advice))
        by_alias = key.metric_signing_errors_by_alias()
        if by_alias is not None:
            advice = (
                "KMS does not tell the alias' key: see that there is the alias, and the grants."
            )
            found.append(Watched(f"{name}ByAlias", by_alias, limits.signing_errors, advice))
    return found


def _group(title: str, watched: Sequence[Watched]) -> monitoring.CustomMetricGroup:
    return monitoring.CustomMetricGroup(title=title, metrics=[_metric(each) for each in watched])


def _metric(watched: Watched) -> cloudwatch.Metric | monitoring.CustomMetricWithAlarm:
    if watched.threshold is None:
        return watched.metric
    at_least = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
    return monitoring.CustomMetricWithAlarm(
        metric=watched.metric,
        alarm_friendly_name=watched.name,
        add_alarm={
            "Warning": monitoring.CustomThreshold(
                threshold=watched.threshold,
                comparison_operator=at_least,
                evaluation_periods=_OF_MINUTES,
                datapoints_to_alarm=_BAD_MINUTES,
                treat_missing_data_override=cloudwatch.TreatMissingData.NOT_BREACHING,
                alarm_description_override=watched.advice,
            )
        },
    )
