"""The VPC: public and private subnets over several zones, and its ways out."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
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

_PRIVATE_SERVICES = {  # what instances call, where no NAT leads them out
    "Ssm": ec2.InterfaceVpcEndpointAwsService.SSM,
    "SsmMessages": ec2.InterfaceVpcEndpointAwsService.SSM_MESSAGES,
    "Logs": ec2.InterfaceVpcEndpointAwsService.CLOUDWATCH_LOGS,
    "CloudFormation": ec2.InterfaceVpcEndpointAwsService.CLOUDFORMATION,
    "Kms": ec2.InterfaceVpcEndpointAwsService.KMS,
    "CloudMap": ec2.InterfaceVpcEndpointAwsService.CLOUD_MAP_SERVICE_DISCOVERY,
    "CloudMapData": ec2.InterfaceVpcEndpointAwsService.CLOUD_MAP_DATA_SERVICE_DISCOVERY,
}


class TieredVpc(Construct):
    """A VPC of two tiers; gateway endpoints lead to this account's tables and objects alone."""

    public_subnets = ec2.SubnetSelection(subnet_group_name="public")
    private_subnets = ec2.SubnetSelection(subnet_group_name="private")

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        flow_logs: logs.ILogGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        private = (
            ec2.SubnetType.PRIVATE_WITH_EGRESS
            if environment.nat_gateways
            else ec2.SubnetType.PRIVATE_ISOLATED
        )
        self.vpc = ec2.Vpc(
            self,
            "Default",
            ip_addresses=ec2.IpAddresses.cidr(environment.cidr),
            availability_zones=list(environment.availability_zones),
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
        for subnet in self.vpc.public_subnets:
            acknowledge(
                subnet,
                "VPCNoUnrestrictedRouteToIGW",
                "only the load balancer and the NAT gateways are in it, which face the internet",
                packs=(NIST, HIPAA, PCI),
            )
        self._add_gateway_endpoints(environment)
        flow_log = self.vpc.add_flow_log(
            "FlowLog", destination=ec2.FlowLogDestination.to_cloud_watch_logs(flow_logs)
        )
        acknowledge_own_policy(flow_log)

    @property
    def nat_addresses(self) -> list[str]:
        """The addresses that the instances' calls come from; none without NAT gateways."""
        nodes = (subnet.node.try_find_child("EIP") for subnet in self.vpc.public_subnets)
        return [node.attr_public_ip for node in nodes if isinstance(node, ec2.CfnEIP)]

    def add_private_services(self, security_groups: Sequence[ec2.ISecurityGroup]) -> None:
        """Add interface endpoints for what instances call, where no NAT gateway leads them out."""
        for name, service in _PRIVATE_SERVICES.items():
            self.vpc.add_interface_endpoint(
                name,
                service=service,
                subnets=self.private_subnets,
                security_groups=list(security_groups),
                open=False,
            )

    def _add_gateway_endpoints(self, environment: Environment) -> None:
        stack = cdk.Stack.of(self)
        # The packages of Amazon Linux, and of its agents:
        # https://repost.aws/knowledge-center/ec2-al1-al2-update-yum-without-internet
        buckets = [f"al2023-repos-{stack.region}-de612dc2", f"amazon-ssm-{stack.region}"]
        if environment.compute == "containers":
            # The layers of images:
            # https://docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html
            buckets = [f"prod-{stack.region}-starport-layer-bucket"]
        tables = self.vpc.add_gateway_endpoint(
            "DynamoDb", service=ec2.GatewayVpcEndpointAwsService.DYNAMODB
        )
        objects = self.vpc.add_gateway_endpoint("S3", service=ec2.GatewayVpcEndpointAwsService.S3)
        # Without a policy of its own, an endpoint is a way out to any account's tables and buckets.
        tables.add_to_policy(_within_account("dynamodb:*", stack.account))
        objects.add_to_policy(_within_account("s3:GetObject", stack.account))
        objects.add_to_policy(
            iam.PolicyStatement(
                principals=[iam.AnyPrincipal()],
                actions=["s3:GetObject"],
                resources=[
                    stack.format_arn(
                        service="s3", region="", account="", resource=bucket, resource_name="*"
                    )
                    for bucket in buckets
                ],
            )
        )


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
