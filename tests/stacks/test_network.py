"""The network lets pass what it must, in both directions, and lets nothing else in.

Security groups and network ACLs are evaluated as AWS does: groups keep state, so the answer of what
they let in may leave; ACLs keep none, so each direction of a flow must be let through by itself.
"""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from stacks.network import SERVICE_PORT

INTERNET = "203.0.113.9"
EPHEMERAL = 50_000
_NUMBERS = {"tcp": 6, "udp": 17}  # as ACLs name protocols


@dataclass(frozen=True)
class Place:
    """Where a packet comes from or goes to: an address, and for our own a tier and a group."""

    address: str
    tier: str | None = None
    group: str | None = None


class Network:
    """The rules in an environment's templates."""

    def __init__(self, synthesized) -> None:
        self.resources = synthesized.templates["Network"]["Resources"]
        (vpc,) = self._of("AWS::EC2::VPC").values()
        self.cidr = vpc["CidrBlock"]
        subnets = self._of("AWS::EC2::Subnet")
        self.addresses = {
            tier: str(next(iter(ip_network(_subnet(subnets, tier)["CidrBlock"]).hosts())))
            for tier in ("public", "private")
        }
        self.rules = {
            "Ingress": self._group_rules("Ingress"),
            "Egress": self._group_rules("Egress"),
        }

    def client(self) -> Place:
        return Place(INTERNET)

    def balancer(self) -> Place:
        return Place(self.addresses["public"], "public", "LoadBalancer")

    def instance(self) -> Place:
        return Place(self.addresses["private"], "private", "Instances")

    def passes(self, source: Place, target: Place, port: int) -> bool:
        """Whether a connection can be opened, and answered."""
        return (
            self._group_lets("Egress", source, target, port)
            and self._group_lets("Ingress", target, source, port)
            and self._acls_let(source, target, port)
            and self._acls_let(target, source, EPHEMERAL)
        )

    def delivers(self, source: Place, target: Place, port: int) -> bool:
        """Whether a UDP datagram gets there, across zones too."""
        return (
            self._group_lets("Egress", source, target, port, "udp")
            and self._group_lets("Ingress", target, source, port, "udp")
            and self._acl_lets(source, target.address, port, "udp", egress=True)
            and self._acl_lets(target, source.address, port, "udp", egress=False)
        )

    def _acls_let(self, source: Place, target: Place, port: int) -> bool:
        if source.tier is not None and source.tier == target.tier:
            return True  # within a subnet no ACL is asked; across zones the rules are the same
        return self._acl_lets(source, target.address, port, "tcp", egress=True) and self._acl_lets(
            target, source.address, port, "tcp", egress=False
        )

    def _acl_lets(self, place: Place, peer: str, port: int, protocol: str, *, egress: bool) -> bool:
        if place.tier is None:
            return True
        rules = [
            rule
            for name, rule in self._of("AWS::EC2::NetworkAclEntry").items()
            if name.lower().startswith(place.tier) and rule.get("Egress", False) is egress
            if rule["Protocol"] == _NUMBERS[protocol]
        ]
        for rule in sorted(rules, key=lambda rule: rule["RuleNumber"]):
            cidr = rule["CidrBlock"]
            span = rule["PortRange"]
            within = ip_network(cidr if isinstance(cidr, str) else self.cidr)
            if ip_address(peer) in within and span["From"] <= port <= span["To"]:
                return bool(rule["RuleAction"] == "allow")
        return False

    def _group_lets(
        self, direction: str, place: Place, peer: Place, port: int, protocol: str = "tcp"
    ) -> bool:
        if place.group is None:
            return True
        return any(
            rule["FromPort"] <= port <= rule["ToPort"] and self._names(rule, peer)
            for name, rule in self.rules[direction]
            if name.startswith(place.group) and rule["IpProtocol"] == protocol
        )

    @staticmethod
    def _names(rule: dict[str, Any], peer: Place) -> bool:
        if "CidrIp" in rule:
            return ip_address(peer.address) in ip_network(rule["CidrIp"])
        named = rule.get("SourceSecurityGroupId") or rule["DestinationSecurityGroupId"]
        return peer.group is not None and named["Fn::GetAtt"][0].startswith(peer.group)

    def _group_rules(self, direction: str) -> list[tuple[str, dict[str, Any]]]:
        inline = [
            (name, rule)
            for name, group in self._of("AWS::EC2::SecurityGroup").items()
            for rule in group.get(f"SecurityGroup{direction}", ())
            if "FromPort" in rule
        ]
        apart = self._of(f"AWS::EC2::SecurityGroup{direction}").values()
        return inline + [(rule["GroupId"]["Fn::GetAtt"][0], rule) for rule in apart]

    def _of(self, kind: str) -> dict[str, Any]:
        return {n: r["Properties"] for n, r in self.resources.items() if r["Type"] == kind}


def _subnet(subnets: dict[str, Any], tier: str) -> Any:
    return next(subnet for name, subnet in subnets.items() if tier in name)


@pytest.fixture(scope="session")
def network(real) -> Network:
    return Network(real)


def test_clients_reach_the_load_balancer_and_it_the_instances(network):
    assert network.passes(network.client(), network.balancer(), 80)
    assert network.passes(network.balancer(), network.instance(), SERVICE_PORT)


def test_https_is_open_where_there_is_a_certificate(network, real):
    assert network.passes(network.client(), network.balancer(), 443) is (real.name == "prod")


def test_instances_reach_aws_over_tls_and_get_answers(network):
    assert network.passes(network.instance(), network.client(), 443)


@pytest.mark.parametrize("port", [22, 25, 80, 443, 3389, SERVICE_PORT, EPHEMERAL])
def test_nothing_from_outside_reaches_an_instance(network, port):
    assert not network.passes(network.client(), network.instance(), port)


@pytest.mark.parametrize("port", [22, 3306, SERVICE_PORT])
def test_load_balancer_listens_on_its_ports_alone(network, port):
    assert not network.passes(network.client(), network.balancer(), port)


@pytest.mark.parametrize("port", [22, 80, 443])
def test_load_balancer_reaches_the_service_port_alone(network, port):
    assert not network.passes(network.balancer(), network.instance(), port)


@pytest.mark.parametrize("port", [22, 25, 80])
def test_instances_leave_over_tls_alone(network, port):
    assert not network.passes(network.instance(), network.client(), port)


def test_instances_tell_each_other_of_changes(network):
    assert network.delivers(network.instance(), network.instance(), SERVICE_PORT)


@pytest.mark.parametrize("port", [22, 53, SERVICE_PORT, EPHEMERAL])
def test_no_hint_comes_from_outside_or_by_the_load_balancer(network, port):
    for source in (network.client(), network.balancer()):
        assert not network.delivers(source, network.instance(), port)
    assert not network.delivers(network.client(), network.balancer(), port)


@pytest.mark.parametrize("port", [22, 80, 443, SERVICE_PORT])
def test_instances_open_no_connection_to_each_other(network, port):
    assert not network.passes(network.instance(), network.instance(), port)


def test_default_group_is_closed(real):
    assert len(real.of_type("Custom::VpcRestrictDefaultSG")) == 1


def test_only_the_listener_is_open_to_everybody(real):
    for name, group in real.of_type("AWS::EC2::SecurityGroup").items():
        opened = [r for r in group.get("SecurityGroupIngress", ()) if "CidrIp" in r]
        assert not opened or name.startswith("Network.LoadBalancer")
