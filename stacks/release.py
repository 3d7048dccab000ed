"""How a new version of the function takes over: a tenth first, and back when alarms go off."""

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_codedeploy as codedeploy
from aws_cdk import aws_lambda as lambda_

from stacks.acknowledgements import HIPAA, NIST, acknowledge

_MINUTE = cdk.Duration.minutes(1)
_SLOW = cdk.Duration.seconds(3)  # under the function's timeout, far over what an increment takes


def release(function: lambda_.Function, api: apigateway.RestApi) -> lambda_.Alias:
    """Return the alias that callers invoke; CodeDeploy moves it to each new version.

    A tenth of the calls goes to the new version for five minutes. One unanswered error, one 5xx
    of the API or slowness in that time moves the alias back, and fails the stack's update.
    """
    stack = cdk.Stack.of(function)
    alias = lambda_.Alias(stack, "Live", alias_name="live", version=function.current_version)
    cdk.Annotations.of(function).acknowledge_warning(
        "@aws-cdk/aws-lambda:snapStartRequirePublish", "callers reach the published version only"
    )
    alarms = [
        _alarm(stack, "LiveErrors", alias.metric_errors(period=_MINUTE), 1),
        _alarm(stack, "LiveFailures", api.metric_server_error(period=_MINUTE), 1),
        _alarm(
            stack,
            "LiveSlow",
            alias.metric_duration(period=_MINUTE, statistic="p99"),
            _SLOW.to_milliseconds(),
        ),
    ]
    group = codedeploy.LambdaDeploymentGroup(
        stack,
        "Release",
        alias=alias,
        deployment_config=codedeploy.LambdaDeploymentConfig.CANARY_10_PERCENT_5_MINUTES,
        alarms=alarms,
    )
    acknowledge(
        group,
        "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
        "AWSCodeDeployRoleForLambdaLimited]",
        "AWS keeps what CodeDeploy needs for Lambda up to date; it may touch no other service",
    )
    return alias


def _alarm(
    stack: cdk.Stack, name: str, metric: cloudwatch.IMetric, threshold: float
) -> cloudwatch.Alarm:
    alarm = cloudwatch.Alarm(
        stack,
        name,
        metric=metric,
        threshold=threshold,
        evaluation_periods=1,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        alarm_description="Rolls a release of the counter function back: read its log, then fix.",
    )
    acknowledge(
        alarm,
        "CloudWatchAlarmAction",
        "CodeDeploy looks at it while it releases; people are told by the observability stack",
        packs=(NIST, HIPAA),
    )
    return alarm
