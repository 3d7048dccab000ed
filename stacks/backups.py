"""Backups of the coordination table, for longer than point-in-time recovery reaches."""

import aws_cdk as cdk
from aws_cdk import aws_backup as backup
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from stacks.acknowledgements import acknowledge


class Backups(Construct):
    """Daily, weekly and monthly backups of a table, in a vault with a key of its own."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: dynamodb.ITable,
        removal_policy: cdk.RemovalPolicy,
    ) -> None:
        super().__init__(scope, construct_id)
        key = kms.Key(
            self,
            "BackupKey",
            description="Interlock: backups",
            enable_key_rotation=True,
            removal_policy=removal_policy,
        )
        vault = backup.BackupVault(self, "Vault", encryption_key=key, removal_policy=removal_policy)
        plan = backup.BackupPlan.daily_weekly_monthly7_year_retention(self, "Backups", vault)
        selection = plan.add_selection(
            "Tables", resources=[backup.BackupResource.from_dynamo_db_table(table)]
        )
        acknowledge(
            selection,
            "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
            "AWSBackupServiceRolePolicyForBackup]",
            "AWS keeps what its backup service needs up to date",
        )
