"""Log groups, buckets for logs, and their key."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.acknowledgements import HIPAA, NIST, PCI, acknowledge
from stacks.config import Environment
from stacks.stack import InterlockStack

_NONCURRENT = cdk.Duration.days(7)  # long enough to notice that a log was overwritten


class LogsStack(InterlockStack):
    """Logs of the other stacks; kept after their source is deleted, and expired by lifecycle.

    Its construct id is "Records": another one would move the buckets that exist.
    """

    def __init__(self, scope: Construct, construct_id: str, *, environment: Environment) -> None:
        super().__init__(scope, construct_id, environment=environment)
        self.key = self._add_key()
        trail = self._add_bucket("Trail", "who read the logs")
        self.bucket = self._add_bucket("AccessLogs", "the load balancer's log", trail=trail)

    def log_group(self, scope: Construct, construct_id: str, **props: Any) -> logs.LogGroup:
        """Return a log group that is encrypted with the key and ends its events in time."""
        return logs.LogGroup(
            scope,
            construct_id,
            encryption_key=self.key,
            retention=self.settings.log_retention,
            removal_policy=self.settings.removal_policy,
            **props,
        )

    def firewall_log_group(self, scope: Construct, construct_id: str) -> logs.LogGroup:
        """Return a log group that a web application firewall may write to, one a stack."""
        # WAF writes to groups of this prefix only.
        stack = cdk.Stack.of(scope)
        if not isinstance(stack, InterlockStack):
            raise TypeError(f"{stack.stack_name} is no stack of the application")
        name = stack.own_name("aws-waf-logs-")
        group = self.log_group(scope, construct_id, log_group_name=name)
        logs.ResourcePolicy(
            group,
            "Policy",
            # CDK's own name for it is that of every environment of the account.
            resource_policy_name=stack.stack_name,
            policy_statements=[
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal("delivery.logs.amazonaws.com")],
                    actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                    resources=[group.log_group_arn],
                    conditions={"StringEquals": {"aws:SourceAccount": self.account}},
                )
            ],
        )
        return group

    def _add_key(self) -> kms.Key:
        key = kms.Key(
            self,
            "Key",
            description="Interlock: logs",
            enable_key_rotation=True,
            removal_policy=self.settings.removal_policy,
        )
        # For the log groups of this account and region, and not on another's behalf:
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
        key.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(f"logs.{self.region}.amazonaws.com")],
                actions=[
                    "kms:Decrypt",
                    "kms:DescribeKey",
                    "kms:Encrypt",
                    "kms:GenerateDataKey",
                    "kms:GenerateDataKeyWithoutPlaintext",
                    "kms:ReEncryptFrom",
                    "kms:ReEncryptTo",
                ],
                resources=["*"],
                conditions={
                    "ArnLike": {
                        "kms:EncryptionContext:aws:logs:arn": self.format_arn(
                            service="logs",
                            resource="log-group",
                            resource_name="*",
                            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
                        )
                    }
                },
            )
        )
        return key

    def _add_bucket(self, name: str, content: str, *, trail: s3.IBucket | None = None) -> s3.Bucket:
        environment = self.settings
        keep = cdk.Duration.days(environment.log_retention_days)
        bucket = s3.Bucket(
            self,
            name,
            # The one encryption that load balancers and S3 itself can write logs with.
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            server_access_logs_bucket=trail,
            # A bucket that has something in it cannot be deleted, and a log always has.
            removal_policy=(
                cdk.RemovalPolicy.DESTROY
                if environment.emulated
                else cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE
            ),
            lifecycle_rules=[
                s3.LifecycleRule(
                    expiration=keep,
                    noncurrent_version_expiration=_NONCURRENT,
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                )
            ],
        )
        acknowledge(
            bucket,
            "S3DefaultEncryptionKMS",
            f"{content} is delivered by a service that writes with S3's own keys only",
            packs=(NIST, HIPAA, PCI),
        )
        acknowledge(
            bucket,
            "S3BucketReplicationEnabled",
            f"{content} ends after {environment.log_retention_days} days; no copy is kept",
            packs=(NIST, HIPAA, PCI),
        )
        return bucket
