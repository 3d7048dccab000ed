"""All stacks of one environment, in the order in which they depend on each other."""

import aws_cdk as cdk

from stacks.api import ApiStack
from stacks.config import environment_of
from stacks.data import DataStack
from stacks.emulator import leave_out_for_emulator
from stacks.identity import IdentityStack
from stacks.logs import LogsStack
from stacks.network import NetworkStack
from stacks.observability import ObservabilityStack
from stacks.service import ServiceStack
from stacks.sign_in import CognitoPool


class Application:
    """The stacks of the environment that the app's context chooses.

    Raises `UnknownEnvironment` and `IncompleteEnvironment` (see `stacks.config`).
    """

    def __init__(self, app: cdk.App) -> None:
        self.environment = environment = environment_of(app.node)
        self.logs = LogsStack(app, "Records", environment=environment)
        self.network = NetworkStack(app, "Network", environment=environment, logs=self.logs)
        self.data = DataStack(app, "Data", environment=environment)
        self.api = ApiStack(
            app,
            "Api",
            environment=environment,
            logs=self.logs,
            network=self.network,
            table=self.data.table,
            signing_key=self.data.signing_key,
        )
        self.identity: IdentityStack | None = None
        if isinstance(environment.identity, CognitoPool):
            self.identity = IdentityStack(
                app, "Identity", environment=environment, pool=environment.identity
            )
        self.service = ServiceStack(
            app,
            "Service",
            environment=environment,
            logs=self.logs,
            network=self.network,
            table=self.data.table,
            api=self.api,
            people=self.identity.people if self.identity else None,
        )
        self.observability = ObservabilityStack(
            app,
            "Observability",
            environment=environment,
            table=self.data.table,
            signing_key=self.data.signing_key,
            api=self.api,
            service=self.service,
        )
        cdk.Tags.of(app).add("application", "interlock")
        cdk.Tags.of(app).add("environment", environment.name)
        if environment.emulated:
            leave_out_for_emulator(app)
