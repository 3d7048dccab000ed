"""Backups of the coordination table, for longer than point-in-time recovery reaches."""

import aws_cdk as cdk
from aws_cdk import aws_backup as backup
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from constructs import Construct

from stacks.acknowledgements import acknowledge
from stacks.config import Environment
from stacks.stack import InterlockStack

_LEAST = cdk.Duration.days(30)
_GRACE = cdk.Duration.days(3)  # the shortest that there is
_RULES = (
    backup.BackupPlanRule.daily,
    backup.BackupPlanRule.weekly,
    backup.BackupPlanRule.monthly7_year,
)


class Backups(Construct):
    """Daily, weekly and monthly backups of a table, in a vault with a key of its own.

    The vault takes no backup that ends within 30 days, and lets none be deleted before its time.
    An administrator could lift both, unless `backup_lock` of the environment is "compliance".
    """

    def __init__(
        self,
        scope: InterlockStack,
        construct_id: str,
        *,
        table: dynamodb.ITable,
        environment: Environment,
    ) -> None:
        super().__init__(scope, construct_id)
        key = kms.Key(
            self,
            "BackupKey",
            description="Interlock: backups",
            enable_key_rotation=True,
            removal_policy=environment.removal_policy,
        )
        vault = backup.BackupVault(
            self,
            "Vault",
            backup_vault_name=scope.own_name(),
            encryption_key=key,
            block_recovery_point_deletion=environment.protected,
            lock_configuration=_lock(environment) if environment.protected else None,
            removal_policy=environment.removal_policy,
        )
        plan = backup.BackupPlan(
            self,
            "Backups",
            # Two plans of one name and content are refused: "already exists".
            backup_plan_name=f"interlock-{environment.name}",
            backup_plan_rules=[rule(vault) for rule in _RULES],
        )
        selection = plan.add_selection(
            "Tables", resources=[backup.BackupResource.from_dynamo_db_table(table)]
        )
        acknowledge(
            selection,
            "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/"
            "AWSBackupServiceRolePolicyForBackup]",
            "AWS keeps what its backup service needs up to date",
        )


def _lock(environment: Environment) -> backup.LockConfiguration:
    final = environment.backup_lock == "compliance"
    return backup.LockConfiguration(min_retention=_LEAST, changeable_for=_GRACE if final else None)
