"""The stack of the service: instances, or containers, behind a load balancer."""

import aws_cdk as cdk
from constructs import Construct

from interlock.constructs import ICoordinationTable
from stacks.api import ApiStack
from stacks.authentication import Authentication
from stacks.config import Environment
from stacks.containers import ContainerService
from stacks.firewall import Firewall
from stacks.identity import People
from stacks.instances import InstanceGroup
from stacks.load_balancer import ServiceLoadBalancer
from stacks.logs import LogsStack
from stacks.members import Members
from stacks.network import NetworkStack
from stacks.sign_in import Provider
from stacks.stack import InterlockStack


class ServiceStack(InterlockStack):
    """Instances or containers, their load balancer, and how they grow and change."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        logs: LogsStack,
        network: NetworkStack,
        table: ICoordinationTable,
        api: ApiStack,
        people: People | None = None,
    ) -> None:
        super().__init__(scope, construct_id, environment=environment)
        authentication = self._authentication(people)
        kind = ContainerService if environment.compute == "containers" else InstanceGroup
        compute = kind(
            self,
            "Group",
            environment=environment,
            network=network,
            table=table,
            api=api.api,
            journal=logs.log_group(self, "Journal"),
        )
        members = Members(self, "Members", environment=environment, vpc=network.vpc)
        compute.join(members)
        self.door = ServiceLoadBalancer(
            self,
            "LoadBalancer",
            environment=environment,
            network=network,
            targets=[compute.target],
            target_type=compute.target_type,
            access_logs=logs.bucket,
            authentication=authentication,
        )
        balancer = self.door.balancer
        signing_in = authentication.variables(balancer) if authentication else {}
        compute.install(members.variables | signing_in, self.door.target_group)
        compute.add_scaling(self.door.target_group)
        Firewall(
            self,
            "Firewall",
            resource_arn=balancer.load_balancer_arn,
            log_group=logs.firewall_log_group(self, "FirewallLogs"),
        )
        cdk.CfnOutput(self, "LoadBalancerDns", value=balancer.load_balancer_dns_name)
        cdk.CfnOutput(self, "LoadBalancerName", value=balancer.load_balancer_name)
        cdk.CfnOutput(self, "ServiceRoleArn", value=compute.role.role_arn)
        cdk.CfnOutput(self, "TargetGroupArn", value=self.door.target_group.target_group_arn)
        cdk.CfnOutput(self, "Membership", value=self.to_json_string(members.variables))
        if self.door.url is not None:
            cdk.CfnOutput(self, "ServiceUrl", value=self.door.url)

    def _authentication(self, people: People | None) -> Authentication | None:
        """Return how people sign in; None where the service is open to all."""
        if people is not None:
            return people.authentication(self, "SignIn")
        if isinstance(self.settings.identity, Provider):
            return Authentication.of_provider(self.settings.identity)
        return None
