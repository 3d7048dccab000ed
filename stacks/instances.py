"""The instances of the service: an Auto Scaling group whose members elect a leader."""

from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from interlock.constructs import ICoordinationTable, LeaderElectedService
from stacks.acknowledgements import acknowledge, acknowledge_own_policy
from stacks.bundle import ServiceBundle
from stacks.config import Environment
from stacks.counters_api import CountersApi
from stacks.members import Members
from stacks.network import SERVICE_PORT, NetworkStack

_SET_UP = Path(__file__).with_name("instance.sh")
_START = cdk.Duration.minutes(5)
_SIGNAL = cdk.Duration.minutes(10)  # what installing takes, and what the load balancer's checks do
# The locks that server/leader.py campaigns for.
ELECTION = "service/leader"
STANDBY = "service/standby"
STATE = ("service#", "history#", "instance#")
"""Prefixes of the items that the service keeps beside counters and locks."""

_PROCESSORS = {
    ec2.InstanceArchitecture.ARM_64: ec2.AmazonLinuxCpuType.ARM_64,
    ec2.InstanceArchitecture.X86_64: ec2.AmazonLinuxCpuType.X86_64,
}


class InstanceGroup(Construct):
    """An Auto Scaling group that runs the service of a bundle, and replaces what is unhealthy.

    The instances may call the API, and elect a leader on the table. Their log goes to `journal`.
    """

    target_type = elbv2.TargetType.INSTANCE

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        network: NetworkStack,
        table: ICoordinationTable,
        api: CountersApi,
        journal: logs.LogGroup,
    ) -> None:
        super().__init__(scope, construct_id)
        self.role = self._add_role(api, environment.service_role)
        journal.grant_write(self.role)
        self._bundle = ServiceBundle(self, "Bundle", environment=environment)
        self._table, self._api, self._journal = table, api, journal
        self._let_fetch(self._bundle, api)
        self.group = self._add_group(environment, network)
        self._requests_per_target = environment.requests_per_target
        # The leader alone writes the history, in transactions that its lock guards.
        LeaderElectedService(
            self,
            "Leader",
            table=table,
            group=self.group,
            election=ELECTION,
            state=STATE,
        )
        table.grant_locks(self.group, STANDBY)
        # People see all locks on the page, and administrators break them there.
        table.grant_operate(self.group)

    def join(self, members: Members) -> None:
        """Let the instances register themselves, and find each other."""
        members.grant(self.role)

    def install(
        self, settings: Mapping[str, str], target_group: elbv2.ApplicationTargetGroup
    ) -> None:
        """Fetch the service from S3, install it, run it under systemd, and signal the outcome.

        It is well when `target_group` finds the instance healthy. `settings` are variables of its
        environment beside those that it always has; they hold nothing that a shell or systemd
        would expand (`stacks.sign_in` refuses it).
        """
        # No group is made before a listener has it checked: until then no target is healthy.
        self.group.node.add_dependency(target_group.load_balancer_attached)
        self.role.add_to_policy(
            iam.PolicyStatement(
                actions=["elasticloadbalancing:DescribeTargetHealth"], resources=["*"]
            )
        )
        reason = "DescribeTargetHealth and DiscoverInstances have no resource"
        acknowledge(self.role, "IAM5[Resource::*]", reason)
        user_data = self.group.user_data
        user_data.add_signal_on_exit_command(self.group)
        archive = user_data.add_s3_download_command(
            bucket=self._bundle.bucket, bucket_key=self._bundle.s3_object_key
        )
        variables = {
            "ARCHIVE": archive,
            "API_URL": self._api.rest_api.url.removesuffix("/"),
            "API_KEY_ID": self._api.service_key.key_id,
            "TABLE": self._table.table_name,
            "REGION": cdk.Stack.of(self).region,
            "PORT": str(SERVICE_PORT),
            "LOG_GROUP": self._journal.log_group_name,
            "TARGET_GROUP": target_group.target_group_arn,
            "SETTINGS": "\n".join(f"{name}={value}" for name, value in settings.items()),
        }
        user_data.add_commands(
            "set -euo pipefail",
            *(f'export {name}="{value}"' for name, value in variables.items()),
            *_SET_UP.read_text(encoding="utf-8").splitlines(),
        )

    @property
    def target(self) -> elbv2.IApplicationLoadBalancerTarget:
        """The target of the load balancer."""
        return self.group

    def add_scaling(self, _: elbv2.ApplicationTargetGroup) -> None:
        """Let the group grow with processor time and requests; the target group has it already."""
        self.group.scale_on_cpu_utilization("Cpu", target_utilization_percent=60)
        self.group.scale_on_request_count(
            "Requests", target_requests_per_minute=self._requests_per_target
        )

    def _add_role(self, api: CountersApi, name: str) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            role_name=name,
            assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"),
            managed_policies=[
                iam.ManagedPolicy.from_aws_managed_policy_name("AmazonSSMManagedInstanceCore"),
                api.invoke_policy,
            ],
        )
        acknowledge(
            role,
            "IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/AmazonSSMManagedInstanceCore]",
            "AWS keeps what its SSM agent needs up to date; there is no SSH",
        )
        acknowledge_own_policy(role)
        return role

    def _let_fetch(self, bundle: ServiceBundle, api: CountersApi) -> None:
        """Let instances get what they need at their start: their archive, and the API's key."""
        # Not Asset.grant_read, which gives every object of the bucket to read.
        iam.Grant.add_to_principal(
            grantee=self.role,
            actions=["s3:GetObject"],
            resource_arns=[bundle.bucket.arn_for_objects(bundle.s3_object_key)],
        )
        api.grant_read_service_key(self.role)

    def _add_group(
        self, environment: Environment, network: NetworkStack
    ) -> autoscaling.AutoScalingGroup:
        template = ec2.LaunchTemplate(
            self,
            "Template",
            instance_type=ec2.InstanceType(environment.instance_type),
            machine_image=_image(environment),
            role=self.role,
            security_group=network.instance_group,
            user_data=ec2.UserData.for_linux(),
            require_imdsv2=True,
            http_put_response_hop_limit=1,
            detailed_monitoring=True,
            associate_public_ip_address=False,
            block_devices=[
                ec2.BlockDevice(
                    device_name="/dev/xvda",
                    volume=ec2.BlockDeviceVolume.ebs(
                        8, encrypted=True, volume_type=ec2.EbsDeviceVolumeType.GP3
                    ),
                )
            ],
        )
        least, most = environment.capacity
        group = autoscaling.AutoScalingGroup(
            self,
            "Default",
            vpc=network.vpc,
            vpc_subnets=network.private_subnets,
            launch_template=template,
            min_capacity=least,
            max_capacity=most,
            health_checks=autoscaling.HealthChecks.with_additional_checks(
                additional_types=[autoscaling.AdditionalHealthCheckType.ELB],
                grace_period=_START,
            ),
            signals=autoscaling.Signals.wait_for_min_capacity(timeout=_SIGNAL),
            update_policy=autoscaling.UpdatePolicy.rolling_update(
                max_batch_size=1, min_instances_in_service=least, pause_time=_SIGNAL
            ),
            group_metrics=[autoscaling.GroupMetrics.all()],
        )
        acknowledge(group, "AS3", "scaling is routine; alarms tell of what is not")
        return group


def _image(environment: Environment) -> ec2.IMachineImage:
    if environment.image_id is not None:
        return ec2.MachineImage.generic_linux({environment.region: environment.image_id})
    # A public parameter, resolved by CloudFormation at deployment: no call while synthesizing.
    return ec2.MachineImage.latest_amazon_linux2023(cpu_type=_PROCESSORS[environment.architecture])
