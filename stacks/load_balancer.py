"""The load balancer before the service: its listeners and its targets."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from aws_cdk import aws_route53 as route53
from aws_cdk import aws_route53_targets as route53_targets
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.acknowledgements import HIPAA, NIST, PCI, acknowledge
from stacks.authentication import Authentication
from stacks.config import Environment
from stacks.network import SERVICE_PORT, NetworkStack

_HEALTH = cdk.Duration.seconds(10)
_DRAIN = cdk.Duration.seconds(30)


class ServiceLoadBalancer(Construct):
    """An Application Load Balancer: HTTPS alone where there is a certificate.

    With `authentication` it signs people in before any request of theirs reaches a target.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        network: NetworkStack,
        targets: Sequence[elbv2.IApplicationLoadBalancerTarget],
        target_type: elbv2.TargetType,
        access_logs: s3.IBucket,
        authentication: Authentication | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self._authentication = authentication
        self.balancer = self._add_balancer(environment, network, access_logs)
        self.target_group = self._add_target_group(environment, network, targets, target_type)
        self._add_listeners(environment)
        self.url = self._url(environment)

    def _url(self, environment: Environment) -> str | None:
        """Return where people open the page: over TLS, at a name that the certificate has."""
        if not environment.speaks_tls:
            return f"http://{self.balancer.load_balancer_dns_name}"
        return f"https://{environment.host}" if environment.host else None

    def _add_balancer(
        self, environment: Environment, network: NetworkStack, access_logs: s3.IBucket
    ) -> elbv2.ApplicationLoadBalancer:
        balancer = elbv2.ApplicationLoadBalancer(
            self,
            "Default",
            vpc=network.vpc,
            vpc_subnets=network.public_subnets,
            internet_facing=True,
            security_group=network.load_balancer_group,
            drop_invalid_header_fields=True,
            deletion_protection=environment.protected,
        )
        if not environment.protected:
            acknowledge(
                balancer,
                "ELBDeletionProtectionEnabled",
                "this environment is made to be deleted; those that keep data are protected",
                packs=(NIST, HIPAA),
            )
        balancer.log_access_logs(access_logs)
        return balancer

    def _add_target_group(
        self,
        environment: Environment,
        network: NetworkStack,
        targets: Sequence[elbv2.IApplicationLoadBalancerTarget],
        target_type: elbv2.TargetType,
    ) -> elbv2.ApplicationTargetGroup:
        protocol, health = elbv2.ApplicationProtocol.HTTPS, elbv2.Protocol.HTTPS
        if environment.emulated:  # whose load balancer knows no TLS to its targets
            protocol, health = elbv2.ApplicationProtocol.HTTP, elbv2.Protocol.HTTP
        return elbv2.ApplicationTargetGroup(
            self,
            "Targets",
            vpc=network.vpc,
            port=SERVICE_PORT,
            # Of a target the load balancer takes any certificate: server/certificate.py makes it.
            protocol=protocol,
            target_type=target_type,
            targets=list(targets),
            deregistration_delay=_DRAIN,
            health_check=elbv2.HealthCheck(
                path="/healthz",
                protocol=health,
                interval=_HEALTH,
                timeout=cdk.Duration.seconds(5),
                healthy_threshold_count=2,
                unhealthy_threshold_count=3,
                healthy_http_codes="200",
            ),
        )

    def _add_listeners(self, environment: Environment) -> None:
        # `open` would add 0.0.0.0/0 to the group; the network stack has said what may come in.
        if not environment.speaks_tls:
            plain = self.balancer.add_listener(
                "Http", port=80, open=False, default_action=self._default_action()
            )
            self._authenticate(plain)
            reason = "no domain, so no certificate, and data for trying out; an environment that "
            reason += "keeps data is refused without a certificate (stacks.config)"
            acknowledge(plain, "ALBHttpToHttpsRedirection", reason, packs=(NIST, HIPAA, PCI))
            acknowledge(plain, "ELBv2ACMCertificateRequired", reason, packs=(NIST, HIPAA, PCI))
            return
        secure = self.balancer.add_listener(
            "Https",
            port=443,
            open=False,
            certificates=[self._certificate(environment)],
            default_action=self._default_action(),
        )
        self._authenticate(secure)
        redirect = self.balancer.add_redirect(open=False)
        acknowledge(
            redirect,
            "ELBv2ACMCertificateRequired",
            "it answers plain HTTP with a redirect to HTTPS, and nothing else",
            packs=(NIST, HIPAA, PCI),
        )

    def _certificate(self, environment: Environment) -> acm.ICertificate:
        """Return the environment's certificate, or make one; and the record of its name."""
        domain = environment.domain
        zone = None
        if domain is not None:
            zone = route53.HostedZone.from_hosted_zone_attributes(
                self, "Zone", hosted_zone_id=domain.zone_id, zone_name=domain.zone_name
            )
            target = route53.RecordTarget.from_alias(
                route53_targets.LoadBalancerTarget(self.balancer)
            )
            # With the dot, CDK takes the name as it is, and not as one below the zone's.
            route53.ARecord(self, "Alias", zone=zone, record_name=f"{domain.name}.", target=target)
        if environment.certificate_arn is not None:
            return acm.Certificate.from_certificate_arn(
                self, "Certificate", environment.certificate_arn
            )
        if domain is None:
            raise ValueError("there is neither a certificate nor a domain to make one for")
        return acm.Certificate(
            self,
            "Certificate",
            domain_name=domain.name,
            validation=acm.CertificateValidation.from_dns(zone),
            key_algorithm=acm.KeyAlgorithm.EC_PRIME256_V1,
        )

    def _default_action(self) -> elbv2.ListenerAction:
        forward = elbv2.ListenerAction.forward([self.target_group])
        return self._authentication.before(forward) if self._authentication else forward

    def _authenticate(self, listener: elbv2.ApplicationListener) -> None:
        if self._authentication:
            forward = elbv2.ListenerAction.forward([self.target_group])
            self._authentication.add_rules(listener, forward)
