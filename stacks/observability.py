"""What is watched, and who is told."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from constructs import Construct

from interlock.constructs import CoordinationTable
from stacks.api import ApiStack
from stacks.config import Environment
from stacks.service import ServiceStack


class ObservabilityStack(cdk.Stack):
    """A dashboard, and alarms that say in their description what to do."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        table: CoordinationTable,
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
        self.topic = self._add_topic(environment)
        if environment.monthly_budget is not None and environment.alarm_email is not None:
            self._add_budget(environment.monthly_budget, environment.alarm_email)
        unhealthy = service.target_group.metrics.unhealthy_host_count(
            period=cdk.Duration.minutes(1)
        )
        watched = {
            "ApiErrors": (
                api.rest_api.metric_server_error(period=cdk.Duration.minutes(1)),
                "The API answers 5xx: read the function's log, then the table's throttles.",
            ),
            "FunctionErrors": (
                api.function.metric_errors(period=cdk.Duration.minutes(1)),
                "The counter function fails: read its log; roll back if it began with a deploy.",
            ),
            "UnhealthyHosts": (
                unhealthy,
                "Instances fail /healthz and are replaced: if it lasts, read their journal by SSM.",
            ),
            "ThrottledReads": (
                table.metric_throttled_reads(),
                "DynamoDB throttles reads: look for one hot key; poll its lock less often.",
            ),
            "ThrottledWrites": (
                table.metric_throttled_writes(),
                "DynamoDB throttles writes: look for one hot key; give its counter more shards.",
            ),
        }
        for name, (metric, advice) in watched.items():
            self._alarm(name, metric, advice)
        dashboard = cloudwatch.Dashboard(self, "Dashboard")
        for name, (metric, _) in watched.items():
            dashboard.add_widgets(
                cloudwatch.GraphWidget(title=name, left=[metric], width=12, height=6)
            )

    def _add_topic(self, environment: Environment) -> sns.Topic:
        key = kms.Key(
            self,
            "TopicKey",
            description="Interlock: alarms",
            enable_key_rotation=True,
            removal_policy=environment.removal_policy,
        )
        key.grant_encrypt_decrypt(iam.ServicePrincipal("cloudwatch.amazonaws.com"))
        topic = sns.Topic(self, "Alarms", master_key=key, enforce_ssl=True)
        if environment.alarm_email:
            topic.add_subscription(subscriptions.EmailSubscription(environment.alarm_email))
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

    def _alarm(self, name: str, metric: cloudwatch.IMetric, advice: str) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=1,
            evaluation_periods=3,
            datapoints_to_alarm=2,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description=advice,
        )
        alarm.add_alarm_action(actions.SnsAction(self.topic))
        alarm.add_ok_action(actions.SnsAction(self.topic))
