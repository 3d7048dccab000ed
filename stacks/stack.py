"""The base of all stacks of the application."""

import aws_cdk as cdk
from constructs import Construct

from stacks.config import Environment


class InterlockStack(cdk.Stack):
    """A stack of one environment: in its account and region, and protected as its data is.

    It is named after the environment and `construct_id`: `interlock-prod-data`.
    """

    def __init__(self, scope: Construct, construct_id: str, *, environment: Environment) -> None:
        part = construct_id.lower()
        super().__init__(
            scope,
            construct_id,
            env=environment.aws,
            stack_name=f"interlock-{environment.name}-{part}",
            description=f"Interlock: {part}",
            termination_protection=environment.stateful,
        )
        self.settings = environment

    def own_name(self, prefix: str = "") -> str:
        """Return a name that no other stack has, nor had one of the same name before it.

        For what AWS wants a name of, and outlives its stack: a fixed one would be taken when the
        stack is made again.
        """
        born = cdk.Fn.select(
            0, cdk.Fn.split("-", cdk.Fn.select(2, cdk.Fn.split("/", self.stack_id)))
        )
        return f"{prefix}{self.stack_name}-{born}"
