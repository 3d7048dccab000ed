"""The service: an Auto Scaling group behind a load balancer."""

from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from interlock.constructs import CoordinationTable, LeaderElectedService
from stacks.acknowledgements import HIPAA, NIST, PCI, acknowledge, acknowledge_own_policy
from stacks.api import ApiStack
from stacks.bundle import service_bundle
from stacks.config import Environment
from stacks.firewall import protect
from stacks.network import SERVICE_PORT, NetworkStack
from stacks.records import RecordsStack

_SET_UP = Path(__file__).with_name("instance.sh")
_HEALTH = cdk.Duration.seconds(10)
_DRAIN = cdk.Duration.seconds(30)
_START = cdk.Duration.minutes(5)
# The locks that server/leader.py campaigns for.
_ELECTION = "service/leader"
_STANDBY = "service/standby"
_PROCESSORS = {
    ec2.InstanceArchitecture.ARM_64: ec2.AmazonLinuxCpuType.ARM_64,
    ec2.InstanceArchitecture.X86_64: ec2.AmazonLinuxCpuType.X86_64,
}


class ServiceStack(cdk.Stack):
    """Launch template, group, load balancer, and how they grow and change."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        records: RecordsStack,
        network: NetworkStack,
        table: CoordinationTable,
        api: ApiStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            env=environment.aws,
            description="Interlock: service",
            termination_protection=environment.stateful,
            **kwargs,
        )
        self.role = self._add_role(api)
        bundle = service_bundle(self, "Bundle", environment=environment)
        self._let_fetch(bundle, api)
        self.group = self._add_group(environment, network)
        # The leader alone writes the history, in transactions that its lock guards.
        LeaderElectedService(
            self,
            "Leader",
            table=table,
            group=self.group,
            election=_ELECTION,
            state=("service#", "history#", "instance#"),
        )
        table.grant_locks(self.group, _STANDBY)
        journal = records.log_group(self, "Journal")
        journal.grant_write(self.role)
        self._install(bundle, table, api, journal)
        self.load_balancer = self._add_load_balancer(environment, network, records)
        self.target_group = self._add_target_group(network)
        self._add_listeners(environment)
        self._add_scaling()
        scheme = "https" if environment.certificate_arn else "http"
        url = f"{scheme}://{self.load_balancer.load_balancer_dns_name}"
        cdk.CfnOutput(self, "LoadBalancerDns", value=self.load_balancer.load_balancer_dns_name)
        cdk.CfnOutput(self, "LoadBalancerName", value=self.load_balancer.load_balancer_name)
        cdk.CfnOutput(self, "TargetGroupArn", value=self.target_group.target_group_arn)
        cdk.CfnOutput(self, "ServiceUrl", value=url)

    def _add_role(self, api: ApiStack) -> iam.Role:
        role = iam.Role(
            self,
            "InstanceRole",
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

    def _let_fetch(self, bundle: assets.Asset, api: ApiStack) -> None:
        """Let instances get what they need at their start: their archive, and the API's key."""
        # Not Asset.grant_read, which gives every object of the bucket to read.
        iam.Grant.add_to_principal(
            grantee=self.role,
            actions=["s3:GetObject"],
            resource_arns=[bundle.bucket.arn_for_objects(bundle.s3_object_key)],
        )
        iam.Grant.add_to_principal(
            grantee=self.role,
            actions=["apigateway:GET"],
            resource_arns=[
                self.format_arn(
                    service="apigateway",
                    account="",
                    resource="/apikeys",
                    resource_name=api.service_key.key_id,
                )
            ],
        )

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
            "Group",
            vpc=network.vpc,
            vpc_subnets=network.private_subnets,
            launch_template=template,
            min_capacity=least,
            max_capacity=most,
            health_checks=autoscaling.HealthChecks.with_additional_checks(
                additional_types=[autoscaling.AdditionalHealthCheckType.ELB],
                grace_period=_START,
            ),
            signals=autoscaling.Signals.wait_for_min_capacity(timeout=_START),
            update_policy=autoscaling.UpdatePolicy.rolling_update(
                max_batch_size=1, min_instances_in_service=least, pause_time=_START
            ),
            group_metrics=[autoscaling.GroupMetrics.all()],
        )
        acknowledge(group, "AS3", "scaling is routine; alarms tell of what is not")
        return group

    def _install(
        self, bundle: assets.Asset, table: CoordinationTable, api: ApiStack, journal: logs.LogGroup
    ) -> None:
        """Fetch the service from S3, install it, run it under systemd, and signal the outcome."""
        user_data = self.group.user_data
        user_data.add_signal_on_exit_command(self.group)
        archive = user_data.add_s3_download_command(
            bucket=bundle.bucket, bucket_key=bundle.s3_object_key
        )
        variables = {
            "ARCHIVE": archive,
            "API_URL": api.rest_api.url.removesuffix("/"),
            "API_KEY_ID": api.service_key.key_id,
            "TABLE": table.table_name,
            "REGION": self.region,
            "PORT": str(SERVICE_PORT),
            "LOG_GROUP": journal.log_group_name,
        }
        user_data.add_commands(
            "set -euo pipefail",
            *(f'export {name}="{value}"' for name, value in variables.items()),
            *_SET_UP.read_text(encoding="utf-8").splitlines(),
        )

    def _add_load_balancer(
        self, environment: Environment, network: NetworkStack, records: RecordsStack
    ) -> elbv2.ApplicationLoadBalancer:
        balancer = elbv2.ApplicationLoadBalancer(
            self,
            "LoadBalancer",
            vpc=network.vpc,
            vpc_subnets=network.public_subnets,
            internet_facing=True,
            security_group=network.load_balancer_group,
            drop_invalid_header_fields=True,
            deletion_protection=environment.stateful,
        )
        if not environment.stateful:
            acknowledge(
                balancer,
                "ELBDeletionProtectionEnabled",
                "this environment is made to be deleted; those that keep data are protected",
                packs=(NIST, HIPAA),
            )
        balancer.log_access_logs(records.bucket)
        protect(self, "Firewall", resource_arn=balancer.load_balancer_arn, records=records)
        return balancer

    def _add_target_group(self, network: NetworkStack) -> elbv2.ApplicationTargetGroup:
        return elbv2.ApplicationTargetGroup(
            self,
            "Targets",
            vpc=network.vpc,
            port=SERVICE_PORT,
            protocol=elbv2.ApplicationProtocol.HTTP,
            target_type=elbv2.TargetType.INSTANCE,
            targets=[self.group],
            deregistration_delay=_DRAIN,
            health_check=elbv2.HealthCheck(
                path="/healthz",
                interval=_HEALTH,
                timeout=cdk.Duration.seconds(5),
                healthy_threshold_count=2,
                unhealthy_threshold_count=3,
                healthy_http_codes="200",
            ),
        )

    def _add_listeners(self, environment: Environment) -> None:
        # `open` would add 0.0.0.0/0 to the group; the network stack has said what may come in.
        if environment.certificate_arn is None:
            plain = self.load_balancer.add_listener(
                "Http", port=80, open=False, default_target_groups=[self.target_group]
            )
            reason = "no domain, so no certificate, and data for trying out; an environment that "
            reason += "keeps data is refused without a certificate (stacks.config)"
            acknowledge(plain, "ALBHttpToHttpsRedirection", reason, packs=(NIST, HIPAA, PCI))
            acknowledge(plain, "ELBv2ACMCertificateRequired", reason, packs=(NIST, HIPAA, PCI))
            return
        certificate = acm.Certificate.from_certificate_arn(
            self, "Certificate", environment.certificate_arn
        )
        self.load_balancer.add_listener(
            "Https",
            port=443,
            open=False,
            certificates=[certificate],
            ssl_policy=elbv2.SslPolicy.RECOMMENDED_TLS,
            default_target_groups=[self.target_group],
        )
        redirect = self.load_balancer.add_redirect(open=False)
        acknowledge(
            redirect,
            "ELBv2ACMCertificateRequired",
            "it answers plain HTTP with a redirect to HTTPS, and nothing else",
            packs=(NIST, HIPAA, PCI),
        )

    def _add_scaling(self) -> None:
        self.group.scale_on_cpu_utilization("Cpu", target_utilization_percent=60)
        self.group.scale_on_request_count("Requests", target_requests_per_minute=3000)


def _image(environment: Environment) -> ec2.IMachineImage:
    if environment.image_id is not None:
        return ec2.MachineImage.generic_linux({environment.region: environment.image_id})
    # A public parameter, resolved by CloudFormation at deployment: no call while synthesizing.
    return ec2.MachineImage.latest_amazon_linux2023(cpu_type=_PROCESSORS[environment.architecture])
