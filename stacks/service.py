"""The service: an Auto Scaling group behind a load balancer."""

from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from interlock.constructs import CoordinationTable
from stacks.acknowledgements import acknowledge
from stacks.api import ApiStack
from stacks.bundle import service_bundle
from stacks.config import Environment
from stacks.firewall import protect
from stacks.network import SERVICE_PORT, NetworkStack

_SET_UP = Path(__file__).with_name("instance.sh")
_HEALTH = cdk.Duration.seconds(10)
_DRAIN = cdk.Duration.seconds(30)
_START = cdk.Duration.minutes(5)


class ServiceStack(cdk.Stack):
    """Launch template, group, load balancer, and how they grow and change."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
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
        self.role = self._add_role(table, api)
        bundle = service_bundle(self, "Bundle", environment=environment)
        self._let_fetch(bundle, api)
        self.group = self._add_group(environment, network)
        self._install(bundle, table, api)
        self.load_balancer = self._add_load_balancer(environment, network)
        self.target_group = self._add_target_group(network)
        self._add_listeners(environment)
        self._add_scaling()
        scheme = "https" if environment.certificate_arn else "http"
        url = f"{scheme}://{self.load_balancer.load_balancer_dns_name}"
        cdk.CfnOutput(self, "LoadBalancerDns", value=self.load_balancer.load_balancer_dns_name)
        cdk.CfnOutput(self, "LoadBalancerName", value=self.load_balancer.load_balancer_name)
        cdk.CfnOutput(self, "TargetGroupArn", value=self.target_group.target_group_arn)
        cdk.CfnOutput(self, "ServiceUrl", value=url)

    def _add_role(self, table: CoordinationTable, api: ApiStack) -> iam.Role:
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
        # The group elects a leader, which alone writes the history, in guarded transactions.
        table.grant_locks(role, "service/*")
        table.grant_prefix(role, "service#", "*")
        table.grant_prefix(role, "history#", "*")
        table.grant_prefix(role, "instance#", "*")
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

    def _install(self, bundle: assets.Asset, table: CoordinationTable, api: ApiStack) -> None:
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
        }
        user_data.add_commands(
            "set -euo pipefail",
            *(f'export {name}="{value}"' for name, value in variables.items()),
            *_SET_UP.read_text(encoding="utf-8").splitlines(),
        )

    def _add_load_balancer(
        self, environment: Environment, network: NetworkStack
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
        logs = s3.Bucket(
            self,
            "AccessLogs",
            # The one encryption that load balancers can write with.
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            removal_policy=environment.removal_policy,
            lifecycle_rules=[
                s3.LifecycleRule(expiration=cdk.Duration.days(environment.log_retention_days))
            ],
        )
        acknowledge(logs, "S1", "it is itself where logs go")
        balancer.log_access_logs(logs)
        protect(self, "Firewall", resource_arn=balancer.load_balancer_arn)
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
            self.load_balancer.add_listener(
                "Http", port=80, open=False, default_target_groups=[self.target_group]
            )
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
        self.load_balancer.add_redirect(open=False)

    def _add_scaling(self) -> None:
        self.group.scale_on_cpu_utilization("Cpu", target_utilization_percent=60)
        self.group.scale_on_request_count("Requests", target_requests_per_minute=3000)


def _image(environment: Environment) -> ec2.IMachineImage:
    if environment.image_id is not None:
        return ec2.MachineImage.generic_linux({environment.region: environment.image_id})
    # A public parameter, resolved by CloudFormation at deployment: no call while synthesizing.
    return ec2.MachineImage.latest_amazon_linux2023(cpu_type=ec2.AmazonLinuxCpuType.ARM_64)
