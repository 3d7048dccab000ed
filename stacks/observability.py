"""What is watched, and who is told."""

from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from interlock.constructs import CoordinationMonitoring, CoordinationTable, SigningKey
from stacks.acknowledgements import SERVERLESS, acknowledge
from stacks.api import ApiStack
from stacks.config import Environment
from stacks.service import ServiceStack

_MINUTE = cdk.Duration.minutes(1)


@dataclass(frozen=True)
class _Watched:
    """A metric, how much of it a minute is too much, and what to do then."""

    name: str
    metric: cloudwatch.IMetric
    threshold: float
    advice: str


class ObservabilityStack(cdk.Stack):
    """Dashboards, and alarms that say in their description what to do.

    docs/operations.md has an entry for each alarm.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        table: CoordinationTable,
        signing_key: SigningKey,
        api: ApiStack,
        service: ServiceStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            env=environment.aws,
            description="Interlock: observability",
            termination_protection=environment.stateful,
            **kwargs,
        )
        key = self._add_key(environment)
        undelivered = sqs.Queue(
            self,
            "Undelivered",
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
        )
        reason = "it is itself a dead-letter queue, of the alarms' subscription"
        acknowledge(undelivered, "SQS3", reason)
        acknowledge(undelivered, "SQSRedrivePolicy", reason, packs=(SERVERLESS,))
        self.topic = self._add_topic(environment, key, undelivered)
        if environment.monthly_budget is not None and environment.alarm_email is not None:
            self._add_budget(environment.monthly_budget, environment.alarm_email)
        dashboard = cloudwatch.Dashboard(self, "Dashboard")
        for watched in (*_of_api(api), *_of_service(service), _of_topic(undelivered)):
            self._alarm(watched)
            dashboard.add_widgets(
                cloudwatch.GraphWidget(
                    title=watched.name, left=[watched.metric], width=12, height=6
                )
            )
        self.coordination = CoordinationMonitoring(
            self, "Coordination", table=table, signing_keys=[signing_key], topic=self.topic
        )

    def _add_key(self, environment: Environment) -> kms.Key:
        key = kms.Key(
            self,
            "TopicKey",
            description="Interlock: alarms",
            enable_key_rotation=True,
            removal_policy=environment.removal_policy,
        )
        key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[
                    iam.ServicePrincipal("cloudwatch.amazonaws.com"),
                    iam.ServicePrincipal("sns.amazonaws.com"),  # to the queue
                ],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        return key

    def _add_topic(
        self, environment: Environment, key: kms.Key, undelivered: sqs.Queue
    ) -> sns.Topic:
        topic = sns.Topic(self, "Alarms", master_key=key, enforce_ssl=True)
        # A topic's policy takes the place of the default one, which would let alarms publish.
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        if environment.alarm_email:
            topic.add_subscription(
                subscriptions.EmailSubscription(
                    environment.alarm_email, dead_letter_queue=undelivered
                )
            )
        return topic

    def _add_budget(self, dollars: int, email: str) -> None:
        """Tell by mail when the month's cost is forecast to pass the budget."""
        budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=dollars, unit="USD"),
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        comparison_operator="GREATER_THAN",
                        notification_type="FORECASTED",
                        threshold=100,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[
                        budgets.CfnBudget.SubscriberProperty(
                            address=email, subscription_type="EMAIL"
                        )
                    ],
                )
            ],
        )

    def _alarm(self, watched: _Watched) -> None:
        at_least = cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD
        alarm = cloudwatch.Alarm(
            self,
            watched.name,
            metric=watched.metric,
            threshold=watched.threshold,
            evaluation_periods=3,
            datapoints_to_alarm=2,
            comparison_operator=at_least,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=watched.advice,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        alarm.add_ok_action(actions.SnsAction(self.topic))


def _of_api(api: ApiStack) -> list[_Watched]:
    return [
        _Watched(
            "ApiErrors",
            api.rest_api.metric_server_error(period=_MINUTE),
            1,
            "The API answers 5xx: read the function's log, then the table's throttles.",
        ),
        _Watched(
            "FunctionErrors",
            api.function.metric_errors(period=_MINUTE),
            1,
            "The counter function fails: read its log; roll back if it began with a deploy.",
        ),
        _Watched(
            "FunctionThrottles",
            api.function.metric_throttles(period=_MINUTE),
            1,
            "The function is at its reserved concurrency: raise it, or find who calls so much.",
        ),
    ]


def _of_service(service: ServiceStack) -> list[_Watched]:
    return [
        _Watched(
            "UnhealthyHosts",
            _balancer_metric(service, "UnHealthyHostCount", "Maximum", of_targets=True),
            1,
            "Instances fail /healthz and are replaced: if it lasts, read the service's journal.",
        ),
        _Watched(
            "ServiceErrors",
            _balancer_metric(service, "HTTPCode_Target_5XX_Count", "Sum", of_targets=True),
            5,
            "Instances answer 5xx: see whether the API does, then read the service's journal.",
        ),
        _Watched(
            "BalancerErrors",
            _balancer_metric(service, "HTTPCode_ELB_5XX_Count", "Sum", of_targets=False),
            5,
            "The load balancer reaches no instance: see the target group and the group's activity.",
        ),
    ]


def _balancer_metric(
    service: ServiceStack, name: str, statistic: str, *, of_targets: bool
) -> cloudwatch.Metric:
    # The target group's own metrics cut the balancer's name out of a listener's ARN, which cannot
    # be done with another stack's output.
    dimensions = {"LoadBalancer": service.load_balancer.load_balancer_full_name}
    if of_targets:
        dimensions["TargetGroup"] = service.target_group.target_group_full_name
    return cloudwatch.Metric(
        namespace="AWS/ApplicationELB",
        metric_name=name,
        dimensions_map=dimensions,
        statistic=statistic,
        period=_MINUTE,
    )


def _of_topic(undelivered: sqs.Queue) -> _Watched:
    return _Watched(
        "UndeliveredAlarms",
        undelivered.metric_approximate_number_of_messages_visible(period=_MINUTE),
        1,
        "Alarms did not reach their address: read them in the queue, and mend the subscription.",
    )
