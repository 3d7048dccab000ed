"""The stack of the network: two tiers, and exactly the traffic they need."""

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from stacks.acknowledgements import acknowledge
from stacks.config import Environment
from stacks.logs import LogsStack
from stacks.stack import InterlockStack
from stacks.tier_acl import TierAcl
from stacks.vpc import TieredVpc

SERVICE_PORT = 8080
_HTTP, _HTTPS = 80, 443
_HINTS = ec2.Port.udp(SERVICE_PORT)
_EPHEMERAL = ec2.AclTraffic.tcp_port_range(1024, 65535)


class NetworkStack(InterlockStack):
    """VPC, endpoints, network ACLs per tier, and security groups that name each other."""

    def __init__(
        self, scope: Construct, construct_id: str, *, environment: Environment, logs: LogsStack
    ) -> None:
        super().__init__(scope, construct_id, environment=environment)
        tiers = TieredVpc(
            self, "Vpc", environment=environment, flow_logs=logs.log_group(self, "FlowLogs")
        )
        self.vpc = tiers.vpc
        self.public_subnets, self.private_subnets = tiers.public_subnets, tiers.private_subnets
        self.nat_addresses = tiers.nat_addresses
        self.load_balancer_group = self._group("LoadBalancer", "Interlock: load balancer")
        acknowledge(self.load_balancer_group, "EC23", "the listener is for everybody")
        self.instance_group = self._group("Instances", "Interlock: instances of the service")
        self._connect()
        if not environment.nat_gateways:
            tiers.add_private_services([self._group_of_endpoints()])
        self._add_acls()

    @property
    def availability_zones(self) -> list[str]:
        """The environment's zones; the stack's own way would ask the account at synthesis."""
        return list(self.settings.availability_zones)

    def _group(self, name: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            self, name, vpc=self.vpc, description=description, allow_all_outbound=False
        )

    def _connect(self) -> None:
        balancer, instances = self.load_balancer_group, self.instance_group
        service = ec2.Port.tcp(SERVICE_PORT)
        for port in (_HTTP, _HTTPS) if self.settings.speaks_tls else (_HTTP,):
            balancer.add_ingress_rule(
                ec2.Peer.any_ipv4(), ec2.Port.tcp(port), "clients to the listener"
            )
        balancer.add_egress_rule(instances, service, "load balancer to instances")
        if self.settings.identity is not None:
            balancer.add_egress_rule(
                ec2.Peer.any_ipv4(), ec2.Port.tcp(_HTTPS), "load balancer to the identity provider"
            )
        instances.add_ingress_rule(balancer, service, "load balancer to instances")
        for rule in (instances.add_ingress_rule, instances.add_egress_rule):
            rule(instances, _HINTS, "instances tell each other of changes")
        # AWS's public endpoints (API Gateway, S3, DynamoDB) have no fixed addresses.
        instances.add_egress_rule(
            ec2.Peer.any_ipv4(), ec2.Port.tcp(_HTTPS), "instances to AWS endpoints, over TLS"
        )

    def _group_of_endpoints(self) -> ec2.SecurityGroup:
        group = self._group("Endpoints", "Interlock: interface endpoints")
        group.add_ingress_rule(
            self.instance_group, ec2.Port.tcp(_HTTPS), "instances to AWS endpoints"
        )
        return group

    def _add_acls(self) -> None:
        everywhere = ec2.AclCidr.any_ipv4()
        inside = ec2.AclCidr.ipv4(self.vpc.vpc_cidr_block)
        http, https, service = map(ec2.AclTraffic.tcp_port, (_HTTP, _HTTPS, SERVICE_PORT))
        hints = ec2.AclTraffic.udp_port(SERVICE_PORT)
        TierAcl(
            self,
            "PublicAcl",
            vpc=self.vpc,
            subnets=self.public_subnets,
            ingress=[(everywhere, http), (everywhere, https)],
            # Of instances to the load balancer, and of the internet to the NAT gateways.
            ingress_answers=[(everywhere, _EPHEMERAL)],
            egress=[(inside, service), (everywhere, https)],
            egress_answers=[(everywhere, _EPHEMERAL)],
        )
        TierAcl(
            self,
            "PrivateAcl",
            vpc=self.vpc,
            subnets=self.private_subnets,
            # 443 inside is for interface endpoints, which are in these subnets of every zone.
            ingress=[(inside, service), (inside, https), (inside, hints)],
            ingress_answers=[(everywhere, _EPHEMERAL)],
            egress=[(everywhere, https), (inside, hints)],
            egress_answers=[(inside, _EPHEMERAL)],
        )
