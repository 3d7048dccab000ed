"""All stacks of one environment, in the order in which they depend on each other."""

from typing import TypedDict

import aws_cdk as cdk

from stacks.api import ApiStack
from stacks.config import Environment, environment_of
from stacks.data import DataStack
from stacks.emulator import leave_out_for_emulator
from stacks.network import NetworkStack
from stacks.observability import ObservabilityStack
from stacks.records import RecordsStack
from stacks.service import ServiceStack


class _Props(TypedDict):
    environment: Environment
    stack_name: str


class Application:
    """The stacks of the environment that the app's context chooses.

    Raises `UnknownEnvironment` and `IncompleteEnvironment` (see `stacks.config`).
    """

    def __init__(self, app: cdk.App) -> None:
        self.environment = environment_of(app.node)
        self.records = RecordsStack(app, "Records", **self._props("records"))
        self.network = NetworkStack(app, "Network", records=self.records, **self._props("network"))
        self.data = DataStack(app, "Data", **self._props("data"))
        self.api = ApiStack(
            app,
            "Api",
            records=self.records,
            network=self.network,
            table=self.data.table,
            signing_key=self.data.signing_key,
            **self._props("api"),
        )
        self.service = ServiceStack(
            app,
            "Service",
            records=self.records,
            network=self.network,
            table=self.data.table,
            api=self.api,
            **self._props("service"),
        )
        self.observability = ObservabilityStack(
            app,
            "Observability",
            table=self.data.table,
            signing_key=self.data.signing_key,
            api=self.api,
            service=self.service,
            **self._props("observability"),
        )
        cdk.Tags.of(app).add("application", "interlock")
        cdk.Tags.of(app).add("environment", self.environment.name)
        if self.environment.emulated:
            leave_out_for_emulator(app)

    def _props(self, part: str) -> _Props:
        return {
            "environment": self.environment,
            "stack_name": f"interlock-{self.environment.name}-{part}",
        }
