"""The stack of dashboards and alarms."""

from constructs import Construct

from interlock.constructs import (
    CoordinationMonitoring,
    ICoordinationTable,
    SigningKey,
    Watched,
)
from interlock.metrics import Metric
from stacks import alarms
from stacks.alarm_topic import AlarmTopic
from stacks.api import ApiStack
from stacks.budget import MonthlyBudget
from stacks.config import Environment
from stacks.service import ServiceStack
from stacks.stack import InterlockStack


class ObservabilityStack(InterlockStack):
    """Dashboards, and alarms that say in their description what to do.

    docs/operations.md has an entry for each alarm.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        table: ICoordinationTable,
        signing_key: SigningKey,
        api: ApiStack,
        service: ServiceStack,
    ) -> None:
        super().__init__(scope, construct_id, environment=environment)
        # "Default" is no part of logical ids, so the topic and its key stay where they are.
        receiver = AlarmTopic(self, "Default", environment=environment)
        monitoring = CoordinationMonitoring(
            self, "Coordination", table=table, signing_keys=[signing_key], topic=receiver.topic
        )
        monitoring.add_section("API", alarms.of_api(api.api.rest_api, api.function))
        leading = table.metric(Metric.LEADING)
        monitoring.add_section(
            "Service", [*alarms.of_service(service.door), Watched("Leading", leading)]
        )
        alarms.NobodyLeads(self, "NobodyLeads", leading=leading, topic=receiver.topic)
        monitoring.add_section("Alarms", [alarms.of_topic(receiver.undelivered)])
        dollars, email = environment.monthly_budget, environment.alarm_email
        if dollars is not None and email is not None and environment.has_budget:
            MonthlyBudget(
                self, "Budget", environment=environment.name, dollars=dollars, email=email
            )
