"""The instances of a group may campaign for their one lock, and change what it guards."""

import aws_cdk as cdk
import pytest
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from interlock.constructs import CoordinationTable, LeaderElectedService


@pytest.fixture
def stack(monkeypatch):
    monkeypatch.setenv("CDK_VALIDATION", "false")
    return cdk.Stack(cdk.App(), "Stack")


@pytest.fixture
def group(stack):
    vpc = ec2.Vpc(stack, "Vpc", nat_gateways=0)
    template = ec2.LaunchTemplate(
        stack,
        "Template",
        instance_type=ec2.InstanceType("t4g.small"),
        machine_image=ec2.MachineImage.latest_amazon_linux2023(
            cpu_type=ec2.AmazonLinuxCpuType.ARM_64
        ),
        role=iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com")),
    )
    return autoscaling.AutoScalingGroup(
        stack,
        "Group",
        vpc=vpc,
        vpc_subnets=ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC),
        launch_template=template,
    )


def leading_keys(stack):
    (policy,) = Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
    return [
        statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "ForAllValues:StringLike" in statement.get("Condition", {})
    ]


def test_the_group_may_campaign_for_its_lock_and_no_other(stack, group):
    elected = LeaderElectedService(
        stack,
        "Elected",
        table=CoordinationTable(stack, "Table"),
        group=group,
        election="service/leader",
    )
    elected.grant.assert_success()
    assert leading_keys(stack) == [["lock#service/leader", "lock#service/leader#*"]]


def test_state_is_the_applications_own(stack, group):
    LeaderElectedService(
        stack,
        "Elected",
        table=CoordinationTable(stack, "Table"),
        group=group,
        election="leader",
        state=["history#"],
    )
    assert leading_keys(stack) == [["lock#leader", "lock#leader#*"], ["history#*"]]


@pytest.mark.parametrize("election", ["", "service/*"])
def test_a_namespace_is_no_election(stack, group, election):
    with pytest.raises(ValueError, match="give the name of one lock"):
        LeaderElectedService(
            stack,
            "Elected",
            table=CoordinationTable(stack, "Table"),
            group=group,
            election=election,
        )
