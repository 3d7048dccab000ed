"""Alarms of the API, the service and the alarms' own delivery, each with what to do."""

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sqs as sqs

from interlock.constructs import Watched
from stacks.load_balancer import ServiceLoadBalancer

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
    ]


def of_service(door: ServiceLoadBalancer) -> list[Watched]:
    """Return what to watch of the load balancer and its targets."""
    return [
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
