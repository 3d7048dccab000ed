"""The network: three tiers over several zones, and exactly the traffic they need."""

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.acknowledgements import (
    HIPAA,
    NIST,
    PCI,
    acknowledge,
    acknowledge_own_policy,
    acknowledge_template,
)
from stacks.config import Environment
from stacks.records import RecordsStack

SERVICE_PORT = 8080
_EPHEMERAL = ec2.AclTraffic.tcp_port_range(1024, 65535)
_HTTP, _HTTPS = 80, 443
_PRIVATE_SERVICES = {  # what instances call, where no NAT leads them out
    "Ssm": ec2.InterfaceVpcEndpointAwsService.SSM,
    "SsmMessages": ec2.InterfaceVpcEndpointAwsService.SSM_MESSAGES,
    "Logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
    "CloudFormation": ec2.InterfaceVpcEndpointAwsService.CLOUDFORMATION,
    "Kms": ec2.InterfaceVpcEndpointAwsService.KMS,
}


class NetworkStack(cdk.Stack):
    """VPC, endpoints, network ACLs per tier, and security groups that name each other."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        records: RecordsStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            env=environment.aws,
            description="Interlock: network",
            termination_protection=environment.stateful,
            **kwargs,
        )
        self._zones = list(environment.availability_zones)
        private = (
            ec2.SubnetType.PRIVATE_WITH_EGRESS
            if environment.nat_gateways
            else ec2.SubnetType.PRIVATE_ISOLATED
        )
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(environment.cidr),
            availability_zones=self._zones,
            nat_gateways=environment.nat_gateways,
            # The custom resource behind it needs a real VPC's default group.
            restrict_default_security_group=not environment.emulated,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="public",
                    subnet_type=ec2.SubnetType.PUBLIC,
                    cidr_mask=24,
                    map_public_ip_on_launch=False,
                ),
                ec2.SubnetConfiguration(name="private", subnet_type=private, cidr_mask=22),
            ],
        )
        acknowledge_template(self.vpc, "W3010", "the zones are the environment's choice")
        self.private_subnets = ec2.SubnetSelection(subnet_group_name="private")
        self.public_subnets = ec2.SubnetSelection(subnet_group_name="public")
        self.load_balancer_group = self._group("LoadBalancer", "Interlock: load balancer")
        acknowledge(self.load_balancer_group, "EC23", "the listener is for everybody")
        self.instance_group = self._group("Instances", "Interlock: instances of the service")
        for subnet in self.vpc.public_subnets:
            acknowledge(
                subnet,
                "VPCNoUnrestrictedRouteToIGW",
                "only the load balancer and the NAT gateways are in it, which face the internet",
                packs=(NIST, HIPAA, PCI),
            )
        self._connect(environment)
        self._add_endpoints(environment)
        self._add_acls()
        self._add_flow_log(records)

    @property
    def availability_zones(self) -> list[str]:
        """The environment's zones; the stack's own way would ask the account at synthesis."""
        return self._zones

    @property
    def nat_addresses(self) -> list[str]:
        """The addresses that the instances' calls come from; none without NAT gateways."""
        nodes = (subnet.node.try_find_child("EIP") for subnet in self.vpc.public_subnets)
        return [node.attr_public_ip for node in nodes if isinstance(node, ec2.CfnEIP)]

    def _group(self, name: str, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            self, name, vpc=self.vpc, description=description, allow_all_outbound=False
        )

    def _connect(self, environment: Environment) -> None:
        balancer, instances = self.load_balancer_group, self.instance_group
        service = ec2.Port.tcp(SERVICE_PORT)
        for port in (_HTTP, _HTTPS) if environment.certificate_arn else (_HTTP,):
            balancer.add_ingress_rule(
                ec2.Peer.any_ipv4(), ec2.Port.tcp(port), "clients to the listener"
            )
        balancer.add_egress_rule(instances, service, "load balancer to instances")
        instances.add_ingress_rule(balancer, service, "load balancer to instances")
        # AWS's public endpoints (API Gateway, S3, DynamoDB) have no fixed addresses.
        instances.add_egress_rule(
            ec2.Peer.any_ipv4(), ec2.Port.tcp(_HTTPS), "instances to AWS endpoints, over TLS"
        )

    def _add_endpoints(self, environment: Environment) -> None:
        tables = self.vpc.add_gateway_endpoint(
            "DynamoDb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB
        )
        objects = self.vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        # Without a policy of its own, an endpoint is a way out to anybody's tables and buckets.
        tables.add_to_policy(_within_account("dynamodb:*", self.account))
        objects.add_to_policy(_within_account("s3:GetObject", self.account))
        objects.add_to_policy(
            iam.PolicyStatement(
                principals=[iam.AnyPrincipal()],
                actions=["s3:GetObject"],
                # The packages of Amazon Linux, and of its agents:
                # https://repost.aws/knowledge-center/ec2-al1-al2-update-yum-without-internet
                resources=[
                    self.format_arn(
                        service="s3", region="", account="", resource=bucket, resource_name="*"
                    )
                    for bucket in (
                        f"al2023-repos-{self.region}-de612dc2",
                        f"amazon-ssm-{self.region}",
                    )
                ],
            )
        )
        if environment.nat_gateways:
            return
        group = self._group("Endpoints", "Interlock: interface endpoints")
        group.add_ingress_rule(
            self.instance_group, ec2.Port.tcp(_HTTPS), "instances to AWS endpoints"
        )
        for name, service in _PRIVATE_SERVICES.items():
            self.vpc.add_interface_endpoint(
                name,
                service=service,
                subnets=self.private_subnets,
                security_groups=[group],
                open=False,
            )

    def _add_acls(self) -> None:
        """Open each tier for its traffic; ACLs keep no state, so answers have rules as well."""
        everywhere = ec2.AclCidr.any_ipv4()
        inside = ec2.AclCidr.ipv4(self.vpc.vpc_cidr_block)
        ports = {port: ec2.AclTraffic.tcp_port(port) for port in (_HTTP, _HTTPS, SERVICE_PORT)}
        public = self._acl("PublicAcl", self.public_subnets)
        _allow(public, "In", (everywhere, ports[_HTTP]), (everywhere, ports[_HTTPS]))
        # Answers: of instances to the load balancer, and of the internet to the NAT gateways.
        _allow(public, "InAnswers", (everywhere, _EPHEMERAL))
        _allow(public, "Out", (inside, ports[SERVICE_PORT]), (everywhere, ports[_HTTPS]))
        _allow(public, "OutAnswers", (everywhere, _EPHEMERAL))
        private = self._acl("PrivateAcl", self.private_subnets)
        # 443 inside is for interface endpoints, which are in these subnets of every zone.
        _allow(private, "In", (inside, ports[SERVICE_PORT]), (inside, ports[_HTTPS]))
        _allow(private, "InAnswers", (everywhere, _EPHEMERAL))
        _allow(private, "Out", (everywhere, ports[_HTTPS]))
        _allow(private, "OutAnswers", (inside, _EPHEMERAL))

    def _acl(self, name: str, subnets: ec2.SubnetSelection) -> ec2.NetworkAcl:
        acl = ec2.NetworkAcl(self, name, vpc=self.vpc, subnet_selection=subnets)
        acknowledge(acl, "VPC3", "a second wall per tier; tests evaluate every flow through it")
        return acl

    def _add_flow_log(self, records: RecordsStack) -> None:
        flow_log = self.vpc.add_flow_log(
            "FlowLog",
            destination=ec2.FlowLogDestination.to_cloud_watch_logs(
                records.log_group(self, "FlowLogs")
            ),
        )
        acknowledge_own_policy(flow_log)


def _within_account(action: str, account: str) -> iam.PolicyStatement:
    """Let an endpoint pass what this account's principals do to this account's resources."""
    return iam.PolicyStatement(
        principals=[iam.AnyPrincipal()],
        actions=[action],
        resources=["*"],
        conditions={
            "StringEquals": {"aws:PrincipalAccount": account, "aws:ResourceAccount": account}
        },
    )


def _allow(acl: ec2.NetworkAcl, name: str, *rules: tuple[ec2.AclCidr, ec2.AclTraffic]) -> None:
    """Add entries in the direction that the name begins with, numbered without clashes."""
    direction = (
        ec2.TrafficDirection.INGRESS if name.startswith("In") else ec2.TrafficDirection.EGRESS
    )
    first = 200 if name.endswith("Answers") else 100
    for offset, (cidr, traffic) in enumerate(rules):
        acl.add_entry(
            f"{name}{offset}",
            cidr=cidr,
            traffic=traffic,
            direction=direction,
            rule_number=first + 10 * offset,
        )
