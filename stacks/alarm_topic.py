"""The topic that alarms are sent to, and a queue for those that were not delivered."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sns_subscriptions as subscriptions
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from stacks.acknowledgements import SERVERLESS, acknowledge
from stacks.config import Environment


class AlarmTopic(Construct):
    """An encrypted topic with a mail address; what does not reach it waits in `undelivered`."""

    def __init__(self, scope: Construct, construct_id: str, *, environment: Environment) -> None:
        super().__init__(scope, construct_id)
        key = self._add_key(environment)
        self.undelivered = self._add_queue(key)
        self.topic = self._add_topic(key)
        if environment.alarm_email:
            self.topic.add_subscription(
                subscriptions.EmailSubscription(
                    environment.alarm_email, dead_letter_queue=self.undelivered
                )
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
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            )
        )
        return key

    def _add_queue(self, key: kms.IKey) -> sqs.Queue:
        queue = sqs.Queue(
            self,
            "Undelivered",
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
        )
        reason = "it is itself a dead-letter queue, of the alarms' subscription"
        acknowledge(queue, "SQS3", reason)
        acknowledge(queue, "SQSRedrivePolicy", reason, packs=(SERVERLESS,))
        return queue

    def _add_topic(self, key: kms.IKey) -> sns.Topic:
        topic = sns.Topic(self, "Alarms", master_key=key, enforce_ssl=True)
        # A topic's policy takes the place of the default one, which would let alarms publish.
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            )
        )
        return topic
