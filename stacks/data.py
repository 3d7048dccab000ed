"""The stack of what must outlive everything else: the coordination table and the receipts' keys."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from interlock.constructs import CoordinationTable, SigningKey
from stacks.backups import Backups
from stacks.config import Environment
from stacks.stack import InterlockStack


class DataStack(InterlockStack):
    """The stateful part, apart from all that may be replaced."""

    def __init__(self, scope: Construct, construct_id: str, *, environment: Environment) -> None:
        super().__init__(scope, construct_id, environment=environment)
        policy = environment.removal_policy
        self.table = CoordinationTable(
            self,
            "Coordination",
            removal_policy=policy,
            deletion_protection=environment.protected,
        )
        self.signing_key = SigningKey(self, "Receipts", removal_policy=policy)
        cdk.CfnOutput(self, "TableName", value=self.table.table_name)
        operate = iam.ManagedPolicy(
            self, "Operate", description="See and break locks, and examine the table: for on-call"
        )
        self.table.grant_operate(operate).assert_success()
        cdk.CfnOutput(self, "OperatePolicyArn", value=operate.managed_policy_arn)
        if environment.stateful:
            # "Default" is no part of logical ids, so the vault and its key stay where they are.
            Backups(self, "Default", table=self.table.table, environment=environment)
