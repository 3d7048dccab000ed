"""The service in containers: ECS on Fargate, with what the instance group has, and no machine."""

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecr_assets as ecr_assets
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from interlock.constructs import ICoordinationTable, LeaderElectedService
from stacks.acknowledgements import acknowledge, acknowledge_own_policy
from stacks.bundle import image_context
from stacks.config import Environment
from stacks.counters_api import CountersApi
from stacks.instances import ELECTION, STANDBY, STATE
from stacks.members import Members
from stacks.network import SERVICE_PORT, NetworkStack

_LOCAL_IMAGE = "localhost/interlock-service:local"  # as local/containers.py builds it
_CPU, _MEMORY = 512, 1024
_START = cdk.Duration.minutes(2)
_STOP = cdk.Duration.seconds(30)
_USER = "10001:10001"
_PROCESSORS = {
    ec2.InstanceArchitecture.ARM_64: (ecs.CpuArchitecture.ARM64, ecr_assets.Platform.LINUX_ARM64),
    ec2.InstanceArchitecture.X86_64: (ecs.CpuArchitecture.X86_64, ecr_assets.Platform.LINUX_AMD64),
}


class ContainerService(Construct):
    """A Fargate service of an image that holds what an instance would unpack.

    The tasks may call the API, and elect a leader on the table. Their log goes to `journal`. A
    deployment whose tasks do not become healthy is rolled back by itself.
    """

    target_type = elbv2.TargetType.IP

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
        # The leader alone writes the history, in transactions that its lock guards.
        LeaderElectedService(
            self, "Leader", table=table, group=self.role, election=ELECTION, state=STATE
        )
        table.grant_locks(self.role, STANDBY)
        table.grant_operate(self.role)  # people see all locks, and administrators break them
        self._task = self._add_task(environment)
        self._container = self._add_container(environment, table, api, journal)
        self.service = self._add_service(network)
        self._environment = environment

    @property
    def target(self) -> elbv2.IApplicationLoadBalancerTarget:
        """The target of the load balancer."""
        return self.service

    def join(self, members: Members) -> None:
        """Have ECS register the tasks, and let them find each other."""
        self.service.associate_cloud_map_service(service=members.service)
        members.grant(self.role)
        acknowledge(self.role, "IAM5[Resource::*]", "DiscoverInstances has no resource")

    def install(self, settings: Mapping[str, str], _: elbv2.ApplicationTargetGroup) -> None:
        """Give the service more variables than it always has; ECS asks for its health by itself."""
        for name, value in settings.items():
            self._container.add_environment(name, value)

    def add_scaling(self, target_group: elbv2.ApplicationTargetGroup) -> None:
        """Let the service grow with processor time and requests, as the instance group does."""
        least, most = self._environment.capacity
        tasks = self.service.auto_scale_task_count(min_capacity=least, max_capacity=most)
        tasks.scale_on_cpu_utilization("Cpu", target_utilization_percent=60)
        tasks.scale_on_request_count(
            "Requests",
            requests_per_target=self._environment.requests_per_target,
            target_group=target_group,
        )

    def _add_role(self, api: CountersApi, name: str) -> iam.Role:
        """Make the role of the tasks: it fetches no code, and no session can be opened with it."""
        role = iam.Role(
            self,
            "Role",
            role_name=name,
            assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com"),
            managed_policies=[api.invoke_policy],
        )
        api.grant_read_service_key(role)
        acknowledge_own_policy(role)
        return role

    def _add_task(self, environment: Environment) -> ecs.FargateTaskDefinition:
        processor, _ = _PROCESSORS[environment.architecture]
        task = ecs.FargateTaskDefinition(
            self,
            "Task",
            cpu=_CPU,
            memory_limit_mib=_MEMORY,
            task_role=self.role,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=processor, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
        )
        acknowledge(
            task, "ECS2", "names, ARNs and addresses, no secret: the key is asked for by id"
        )
        return task

    def _add_container(
        self,
        environment: Environment,
        table: ICoordinationTable,
        api: CountersApi,
        journal: logs.LogGroup,
    ) -> ecs.ContainerDefinition:
        container = self._task.add_container(
            "service",
            image=self._image(environment),
            environment={
                "INTERLOCK_API_KEY_ID": api.service_key.key_id,
                "INTERLOCK_API_URL": api.rest_api.url.removesuffix("/"),
                "INTERLOCK_PORT": str(SERVICE_PORT),
                "INTERLOCK_TABLE": table.table_name,
                "INTERLOCK_TLS": "off" if environment.emulated else "on",
            },
            logging=ecs.LogDrivers.aws_logs(log_group=journal, stream_prefix="service"),
            health_check=ecs.HealthCheck(
                command=["CMD", "python3", "-m", "server.probe"],
                interval=cdk.Duration.seconds(10),
                timeout=cdk.Duration.seconds(5),
                start_period=cdk.Duration.seconds(20),
                retries=3,
            ),
            port_mappings=[ecs.PortMapping(container_port=SERVICE_PORT)],
            readonly_root_filesystem=True,
            stop_timeout=_STOP,
            user=_USER,
        )
        execution = self._task.obtain_execution_role()
        acknowledge_own_policy(execution)
        if not environment.emulated:
            acknowledge(execution, "IAM5[Resource::*]", "ecr:GetAuthorizationToken has no resource")
        return container

    def _image(self, environment: Environment) -> ecs.ContainerImage:
        if environment.emulated:
            return ecs.ContainerImage.from_registry(_LOCAL_IMAGE)
        # Pushed to the repository that `cdk bootstrap` made.
        asset = ecr_assets.DockerImageAsset(
            self,
            "Image",
            directory=str(image_context(self, environment)),
            platform=_PROCESSORS[environment.architecture][1],
        )
        return ecs.ContainerImage.from_docker_image_asset(asset)

    def _add_service(self, network: NetworkStack) -> ecs.FargateService:
        cluster = ecs.Cluster(
            self,
            "Cluster",
            vpc=network.vpc,
            container_insights_v2=ecs.ContainerInsights.ENABLED,
        )
        return ecs.FargateService(
            self,
            "Default",
            cluster=cluster,
            task_definition=self._task,
            # Of a new version the whole set starts beside the old one, which ends when it is well.
            min_healthy_percent=100,
            max_healthy_percent=200,
            circuit_breaker=ecs.DeploymentCircuitBreaker(enable=True, rollback=True),
            enable_execute_command=False,
            enable_ecs_managed_tags=True,
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
            health_check_grace_period=_START,
            assign_public_ip=False,
            security_groups=[network.instance_group],
            vpc_subnets=network.private_subnets,
        )
