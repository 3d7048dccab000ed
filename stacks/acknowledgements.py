"""Findings of cdk-nag and CDK that stay, each on the narrowest construct, with the reason."""

import aws_cdk as cdk
from constructs import IConstruct


def acknowledge(construct: IConstruct, rule: str, reason: str) -> None:
    """Record why a rule of the AwsSolutions pack ("IAM4") does not apply to this construct."""
    cdk.Validations.of(construct).acknowledge(
        cdk.Acknowledgment(id=f"AwsSolutions::AwsSolutions-{rule}", reason=reason)
    )


def acknowledge_template(construct: IConstruct, rule: str, reason: str) -> None:
    """Record why a rule of CDK's own template validation ("W3010") does not apply here."""
    cdk.Validations.of(construct).acknowledge(
        cdk.Acknowledgment(id=f"CloudFormation-Validate::{rule}", reason=reason)
    )
