"""What must outlive everything else: the coordination table, its key, and the key of receipts."""

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from interlock.constructs import CoordinationTable, SigningKey
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
        self.signing_key = SigningKey(self, "Signing", removal_policy=environment.removal_policy)
        cdk.CfnOutput(self, "TableName", value=self.table.table_name)
