"""The service in Cloud Map, where its members find each other."""

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_servicediscovery as cloudmap
from constructs import Construct

from interlock.constructs import MacKey
from stacks.config import Environment


class Members(Construct):
    """The service in Cloud Map, and the key that the hints among its members are signed by.

    ECS registers its tasks, in DNS as well, since it knows no other way. Instances register
    themselves, where only the API finds them: in DNS it would take rights to the hosted zone.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, environment: Environment, vpc: ec2.IVpc
    ) -> None:
        super().__init__(scope, construct_id)
        self._registered = environment.compute == "containers"
        # One kind replaces the other, which is there until then: they cannot have one name.
        self._name = "tasks" if self._registered else "instances"
        # Of this VPC and this environment; no server outside answers for it.
        self.namespace = cloudmap.PrivateDnsNamespace(
            self, "Namespace", vpc=vpc, name=f"{environment.name}.interlock.internal"
        )
        by_dns = {
            "dns_record_type": cloudmap.DnsRecordType.A,
            "dns_ttl": cdk.Duration.seconds(15),
            "custom_health_check": cloudmap.HealthCheckCustomConfig(failure_threshold=1),
        }
        by_api = {"discovery_type": cloudmap.DiscoveryType.API}
        self.service = self.namespace.create_service(
            "Service", name=self._name, **(by_dns if self._registered else by_api)
        )
        # Nothing that lasts is signed by it.
        self.key = MacKey(self, "Hints", removal_policy=cdk.RemovalPolicy.DESTROY)

    def grant(self, grantee: iam.IGrantable) -> None:
        """Allow to find the members, and to make the key of hints; to instances, to register."""
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["servicediscovery:DiscoverInstances"],
            resource_arns=["*"],  # it has none, but for these conditions
            conditions={
                "StringEquals": {
                    "servicediscovery:NamespaceName": self.namespace.namespace_name,
                    "servicediscovery:ServiceName": self._name,
                }
            },
        )
        self.key.grant_generate(grantee)
        if not self._registered:
            iam.Grant.add_to_principal(
                grantee=grantee,
                actions=[
                    "servicediscovery:RegisterInstance",
                    "servicediscovery:DeregisterInstance",
                ],
                resource_arns=[self.service.service_arn],
            )

    @property
    def variables(self) -> dict[str, str]:
        """The variables that tell the service of it (server/settings.py)."""
        told = {
            "INTERLOCK_NAMESPACE": self.namespace.namespace_name,
            "INTERLOCK_SERVICE": self._name,
            "INTERLOCK_HINT_KEY": self.key.key.key_id,
        }
        return told if self._registered else told | {"INTERLOCK_REGISTRY": self.service.service_id}
