"""Alarms of the API, the service and the alarms' own delivery, each with what to do."""

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from interlock.constructs import Watched
from stacks.load_balancer import ServiceLoadBalancer

_SLOW = cdk.Duration.seconds(3)
_LEADERLESS_MINUTES = 5  # a takeover takes a lease, a deployment two: seconds
_MINUTE = cdk.Duration.minutes(1)


def of_api(api: apigateway.RestApi, function: lambda_.Function) -> list[Watched]:
    """Return what to watch of the API and the function behind it."""
    return [
        Watched(
            "ApiErrors",
            api.metric_server_error(period=_MINUTE),
            1,
            "The API answers 5xx: read the function's log, then the table's throttles.",
        ),
        Watched(
            "SlowApi",
            api.metric_latency(period=_MINUTE, statistic="p99"),
            _SLOW.to_milliseconds(),
            "The API answers slowly: read a trace for what was waited for (DynamoDB or KMS).",
        ),
        Watched(
            "FunctionErrors",
            function.metric_errors(period=_MINUTE),
            1,
            "The counter function fails: read its log; roll back if it began with a deploy.",
        ),
        Watched(
            "FunctionThrottles",
            function.metric_throttles(period=_MINUTE),
            1,
            "The function is at its reserved concurrency: raise it, or find who calls so much.",
        ),
        # On the dashboard alone: whether throttled calls are slow ones.
        Watched("FunctionDuration", function.metric_duration(period=_MINUTE, statistic="p99")),
    ]


def of_service(door: ServiceLoadBalancer) -> list[Watched]:
    """Return what to watch of the load balancer and its targets."""
    return [
        Watched(
            "SlowService",
            _balancer_metric(door, "TargetResponseTime", "p99", of_targets=True),
            _SLOW.to_seconds(),
            "Instances answer slowly: see SlowApi, then their processor time and the table.",
        ),
        Watched(
            "UnhealthyHosts",
            _balancer_metric(door, "UnHealthyHostCount", "Maximum", of_targets=True),
            1,
            "Instances fail /healthz and are replaced: if it lasts, read the service's journal.",
        ),
        Watched(
            "ServiceErrors",
            _balancer_metric(door, "HTTPCode_Target_5XX_Count", "Sum", of_targets=True),
            5,
            "Instances answer 5xx: see whether the API does, then read the service's journal.",
        ),
        Watched(
            "BalancerErrors",
            _balancer_metric(door, "HTTPCode_ELB_5XX_Count", "Sum", of_targets=False),
            5,
            "The load balancer reaches no instance: see the target group and the group's activity.",
        ),
    ]


class NobodyLeads(cloudwatch.Alarm):
    """Goes off when no instance has said for five minutes that it leads: no data is bad."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        leading: cloudwatch.IMetric,
        topic: sns.ITopic,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            metric=leading,
            threshold=1,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            evaluation_periods=_LEADERLESS_MINUTES,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
            alarm_description=(
                "No instance leads, so no history is recorded: see who holds the lock "
                "(`interlock locks show service/leader`), then the service's journal."
            ),
        )
        action = actions.SnsAction(topic)
        self.add_alarm_action(action)
        self.add_ok_action(action)


def _balancer_metric(
    door: ServiceLoadBalancer, name: str, statistic: str, *, of_targets: bool
) -> cloudwatch.Metric:
    # The target group's own metrics cut the balancer's name out of a listener's ARN, which cannot
    # be done with another stack's output.
    dimensions = {"LoadBalancer": door.balancer.load_balancer_full_name}
    if of_targets:
        dimensions["TargetGroup"] = door.target_group.target_group_full_name
    return cloudwatch.Metric(
        namespace="AWS/ApplicationELB",
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        period=_MINUTE,
    )


def of_topic(undelivered: sqs.Queue) -> Watched:
    """Return what to watch of the queue of alarms that were not delivered."""
    return Watched(
        "UndeliveredAlarms",
        undelivered.metric_approximate_number_of_messages_visible(period=_MINUTE),
        1,
        "Alarms did not reach their address: read them in the queue, and mend the subscription.",
    )
