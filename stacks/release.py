"""A release of a function that takes a tenth of the calls first, and is rolled back by alarms."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.acknowledgements import HIPAA, NIST, acknowledge

_MINUTE = cdk.Duration.minutes(1)
_SLOW = cdk.Duration.seconds(3)  # under the function's timeout, far over what an increment takes


class CanaryRelease(Construct):
    """The alias "live" of a function; CodeDeploy moves it to each new version.

    A tenth of the calls goes to the new version for five minutes. One unanswered error, slowness,
    or one of the alarms of `watch_failures` in that time moves the alias back, and fails the
    stack's update.
    """

    def __init__(self, scope: Construct, construct_id: str, *, function: lambda_.Function) -> None:
        super().__init__(scope, construct_id)
        self.alias = lambda_.Alias(
            self, "Default", alias_name="live", version=function.current_version
        )
        cdk.Annotations.of(function).acknowledge_warning(
            "@aws-cdk/aws-lambda:snapStartRequirePublish",
            "callers reach the published version only",
        )
        slow = self.alias.metric_duration(period=_MINUTE, statistic="p99")
        self._group = codedeploy.LambdaDeploymentGroup(
            self,
            "Release",
            alias=self.alias,
            deployment_config=codedeploy.LambdaDeploymentConfig.CANARY_10_PERCENT_5_MINUTES,
            alarms=[
                self._alarm("Errors", self.alias.metric_errors(period=_MINUTE), 1),
                self._alarm("Slow", slow, _SLOW.to_milliseconds()),
            ],
        )
        acknowledge(
            self._group,
            "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
            "AWSCodeDeployRoleForLambdaLimited]",
            "AWS keeps what CodeDeploy needs for Lambda up to date; it may touch no other service",
        )

    def watch_failures(self, failures: cloudwatch.IMetric) -> None:
        """Roll back at one failure, too, of what calls the alias."""
        self._group.add_alarm(self._alarm("Failures", failures, 1))

    def _alarm(self, name: str, metric: cloudwatch.IMetric, threshold: float) -> cloudwatch.Alarm:
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
            alarm_description="Rolls a release back: read the log of the new version, then fix it.",
        )
        acknowledge(
            alarm,
            "CloudWatchAlarmAction",
            "CodeDeploy looks at it while it releases; people are told by the observability stack",
            packs=(NIST, HIPAA),
        )
        return alarm
