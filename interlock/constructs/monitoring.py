"""What to watch of a coordination table and of signing keys, and whom to tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cdk_monitoring_constructs as monitoring
from aws_cdk import Duration, Names
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sns as sns
from constructs import Construct

from interlock.constructs.coordination_table import CoordinationTable
from interlock.constructs.signing import SigningKey
from interlock.metrics import Metric

_MINUTE = Duration.minutes(1)
_OF_MINUTES = 3  # an alarm looks at this many minutes,
_BAD_MINUTES = 2  # and goes off when so many of them were over the threshold
_MAX_PREFIX_LENGTH = 160  # an alarm's name has at most 255 characters


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """What is too much in one minute; an alarm goes off at two such minutes of three.

    Counts, but for `wait_time`: the 99th percentile of the time that a lock was waited for. None
    leaves an alarm out; its metric stays on the dashboard.
    """

    throttles: int | None = 1
    conflicts: int | None = 100
    refused_conditions: int | None = 1000
    locks_lost: int | None = 1
    wait_time: Duration | None = field(default_factory=lambda: Duration.seconds(5))
    signing_errors: int | None = 1


@dataclass(frozen=True)
class _Watched:
    """A metric, when it is too much, and what to do then."""

    name: str
    metric: cloudwatch.Metric
    threshold: float | None
    advice: str


class CoordinationMonitoring(Construct):
    """A dashboard section and alarms for a coordination table and for signing keys.

    With `topic` the alarms tell it when they go off and when they are over. `facade` is a
    monitoring facade that exists: the section is added to its dashboard, and its alarm defaults
    hold (default: a facade and a dashboard of its own; `dashboard=False` makes alarms only).
    `alarms` has the alarms made, by name: ThrottledReads, ThrottledWrites, TransactionConflicts,
    RefusedConditions, LostLocks, LockWaitTime, and SigningErrors for each
    key, numbered from the second on. Each alarm's description says what to do.

    Raises `ValueError` without a table and without keys, and for a topic beside a facade.
    """

    alarms: Mapping[str, cloudwatch.AlarmBase]
    facade: monitoring.MonitoringFacade

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: CoordinationTable | None = None,
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
        groups: list[tuple[str, list[_Watched]]] = []
        if table is not None:
            groups += _of_table(table, limits)
        if signing_keys:
            groups.append(("Signing errors", _of_keys(signing_keys, limits)))
        before = len(self.facade.created_alarms())
        self.facade.monitor_custom(
            alarm_friendly_name=self.node.id,
            human_readable_name="Coordination",
            metric_groups=[_group(title, watched) for title, watched in groups],
        )
        names = [w.name for _, watched in groups for w in watched if w.threshold is not None]
        made = self.facade.created_alarms()[before:]
        self.alarms = {name: alarm.alarm for name, alarm in zip(names, made, strict=True)}

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


def _of_table(table: CoordinationTable, limits: Thresholds) -> list[tuple[str, list[_Watched]]]:
    wait = limits.wait_time
    seen = Metric.TRANSACTION_ATTEMPTS, Metric.TRANSACTION_CONFLICTS, Metric.TRANSACTION_THROTTLES
    return [
        (
            "Throttles",
            [
                _Watched(
                    "ThrottledReads",
                    table.metric_throttled_reads(period=_MINUTE),
                    limits.throttles,
                    "DynamoDB throttles reads: find the hot key, and poll its lock less often.",
                ),
                _Watched(
                    "ThrottledWrites",
                    table.metric_throttled_writes(period=_MINUTE),
                    limits.throttles,
                    "DynamoDB throttles writes: find the hot key, give its counter more shards.",
                ),
            ],
        ),
        (
            "Contention",
            [
                _Watched(
                    "TransactionConflicts",
                    table.metric_conflicts(period=_MINUTE),
                    limits.conflicts,
                    "Transactions meet on the same items: make them smaller, or spread the items.",
                ),
                _Watched(
                    "RefusedConditions",
                    table.metric_refused_conditions(period=_MINUTE),
                    limits.refused_conditions,
                    "Many writes are refused: find who polls a held lock, or a full counter.",
                ),
            ],
        ),
        ("Transactions", [_seen(table.metric(metric, period=_MINUTE)) for metric in seen]),
        (
            "Locks",
            [
                _seen(table.metric_acquired(period=_MINUTE)),
                _seen(table.metric_contended(period=_MINUTE)),
                _Watched(
                    "LostLocks",
                    table.metric_lost(period=_MINUTE),
                    limits.locks_lost,
                    "Locks were lost while held: look for pauses, or for work longer than a lease.",
                ),
            ],
        ),
        (
            "Waiting for locks",
            [
                _Watched(
                    "LockWaitTime",
                    table.metric_wait_time(period=_MINUTE),
                    None if wait is None else wait.to_milliseconds(),
                    "Locks are waited for too long: see who holds them (`interlock lock show`).",
                ),
            ],
        ),
    ]


def _seen(metric: cloudwatch.Metric) -> _Watched:
    """Return a metric that is on the dashboard only."""
    return _Watched(metric.metric_name, metric, None, "")


def _of_keys(keys: Sequence[SigningKey], limits: Thresholds) -> list[_Watched]:
    return [
        _Watched(
            f"SigningErrors{number if number > 1 else ''}",
            key.metric_signing_errors(period=_MINUTE),
            limits.signing_errors,
            "KMS did not sign: see the key's state, its grants, and the account's KMS quota.",
        )
        for number, key in enumerate(keys, start=1)
    ]


def _group(title: str, watched: Sequence[_Watched]) -> monitoring.CustomMetricGroup:
    return monitoring.CustomMetricGroup(title=title, metrics=[_metric(each) for each in watched])


def _metric(watched: _Watched) -> cloudwatch.Metric | monitoring.CustomMetricWithAlarm:
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
