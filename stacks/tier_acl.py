"""A network ACL of one tier of subnets."""

from collections.abc import Sequence

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from stacks.acknowledgements import acknowledge

_Rule = tuple[ec2.AclCidr, ec2.AclTraffic]
_FIRST, _FIRST_ANSWER, _STEP = 100, 200, 10  # numbers of rules; the answers' come after


class TierAcl(ec2.NetworkAcl):
    """Opens a tier of subnets for its traffic.

    ACLs keep no state, so the answers to `ingress` and `egress` have rules as well:
    `ingress_answers` are what comes back in, `egress_answers` what goes back out.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc: ec2.IVpc,
        subnets: ec2.SubnetSelection,
        ingress: Sequence[_Rule],
        ingress_answers: Sequence[_Rule],
        egress: Sequence[_Rule],
        egress_answers: Sequence[_Rule],
    ) -> None:
        super().__init__(scope, construct_id, vpc=vpc, subnet_selection=subnets)
        acknowledge(self, "VPC3", "a second wall per tier; tests evaluate every flow through it")
        into, out = ec2.TrafficDirection.INGRESS, ec2.TrafficDirection.EGRESS
        self._allow("In", into, _FIRST, ingress)
        self._allow("InAnswers", into, _FIRST_ANSWER, ingress_answers)
        self._allow("Out", out, _FIRST, egress)
        self._allow("OutAnswers", out, _FIRST_ANSWER, egress_answers)

    def _allow(
        self, name: str, direction: ec2.TrafficDirection, first: int, rules: Sequence[_Rule]
    ) -> None:
        for offset, (cidr, traffic) in enumerate(rules):
            self.add_entry(
                f"{name}{offset}",
                cidr=cidr,
                traffic=traffic,
                direction=direction,
                rule_number=first + _STEP * offset,
            )
