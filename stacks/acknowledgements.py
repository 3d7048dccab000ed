"""Findings of cdk-nag and CDK that stay, each on the narrowest construct, with the reason."""

from collections.abc import Sequence

import aws_cdk as cdk
from constructs import IConstruct

AWS_SOLUTIONS = "AwsSolutions"
SERVERLESS = "Serverless"
NIST = "NIST.800.53.R5"
HIPAA = "HIPAA.Security"
PCI = "PCI.DSS.321"
KEY = "interlock:acknowledged"  # of the metadata that a test holds against the findings


def acknowledge(
    construct: IConstruct, rule: str, reason: str, *, packs: Sequence[str] = (AWS_SOLUTIONS,)
) -> None:
    """Record why a rule of these cdk-nag packs ("IAM4") does not apply to this construct."""
    for pack in packs:
        _acknowledge(construct, f"{pack}::{pack}-{rule}", reason)


def acknowledge_template(construct: IConstruct, rule: str, reason: str) -> None:
    """Record why a rule of CDK's own template validation ("W3010") does not apply here."""
    _acknowledge(construct, f"CloudFormation-Validate::{rule}", reason)


def acknowledge_own_policy(grantee: IConstruct) -> None:
    """Say why a role has an inline policy, wherever CDK keeps it below `grantee`."""
    acknowledge(
        grantee,
        "IAMNoInlinePolicy",
        "what only this role may do ends with it; shared, it could be attached elsewhere",
        packs=(NIST, HIPAA, PCI),
    )


def _acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    cdk.Validations.of(construct).acknowledge(cdk.Acknowledgment(id=rule, reason=reason))
    construct.node.add_metadata(KEY, rule)
