"""What must outlive everything else: the coordination table, and the keys that sign receipts."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_backup as backup
from aws_cdk import aws_kms as kms
from constructs import Construct

from interlock.constructs import CoordinationTable, SigningKey
from stacks.acknowledgements import acknowledge
from stacks.config import Environment


class DataStack(cdk.Stack):
    """The stateful part, apart from all that may be replaced."""

    def __init__(
        self, scope: Construct, construct_id: str, *, environment: Environment, **kwargs: Any
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            env=environment.aws,
            description="Interlock: data",
            termination_protection=environment.stateful,
            **kwargs,
        )
        self.table = CoordinationTable(
            self,
            "Coordination",
            removal_policy=environment.removal_policy,
            deletion_protection=environment.stateful,
        )
        self.signing_key = SigningKey(self, "Receipts", removal_policy=environment.removal_policy)
        cdk.CfnOutput(self, "TableName", value=self.table.table_name)
        if environment.stateful:
            self._add_backups(environment)

    def _add_backups(self, environment: Environment) -> None:
        """Keep daily, weekly and monthly backups; point-in-time recovery ends after 35 days."""
        key = kms.Key(
            self,
            "BackupKey",
            description="Interlock: backups",
            enable_key_rotation=True,
            removal_policy=environment.removal_policy,
        )
        vault = backup.BackupVault(
            self, "Vault", encryption_key=key, removal_policy=environment.removal_policy
        )
        plan = backup.BackupPlan.daily_weekly_monthly7_year_retention(self, "Backups", vault)
        selection = plan.add_selection(
            "Tables", resources=[backup.BackupResource.from_dynamo_db_table(self.table.table)]
        )
        acknowledge(
            selection,
            "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
            "AWSBackupServiceRolePolicyForBackup]",
            "AWS keeps what its backup service needs up to date",
        )
