"""What a policy of IAM has no room for is refused when it is granted, not when it is deployed."""

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk.assertions import Template

from interlock.constructs import CoordinationTable

WEB = iam.ServicePrincipal("ec2.amazonaws.com")
ROLE_ARN = "arn:aws:iam::111111111111:role/made-elsewhere"


@pytest.fixture
def stack(monkeypatch):
    monkeypatch.setenv("CDK_VALIDATION", "false")
    here = cdk.Environment(account="111111111111", region="eu-west-1")
    return cdk.Stack(cdk.App(), "Stack", env=here)


@pytest.fixture
def table(stack):
    return CoordinationTable(stack, "Table")


def imported(stack, **options):
    return iam.Role.from_role_arn(stack, "Role", ROLE_ARN, **options)


def names(number):
    return [f"orders/{each:04}" for each in range(number)]  # of about 42 characters each


GRANTEES = {
    "a role": (lambda stack: iam.Role(stack, "Role", assumed_by=WEB), "10,240", 200),
    "an imported role": (imported, "10,240", 200),
    "a user": (lambda stack: iam.User(stack, "User"), "2,048", 20),
    "an imported user": (lambda stack: iam.User.from_user_name(stack, "User", "u"), "2,048", 20),
    "a group": (lambda stack: iam.Group(stack, "Group"), "5,120", 90),
    "a managed policy": (lambda stack: iam.ManagedPolicy(stack, "Policy"), "6,144", 110),
    "a policy": (lambda stack: iam.Policy(stack, "Policy"), "10,240", 200),
}


@pytest.mark.parametrize("kind", GRANTEES)
def test_more_names_than_a_policy_holds_are_refused_with_the_size_and_the_limit(stack, table, kind):
    make, most, _ = GRANTEES[kind]
    with pytest.raises(ValueError, match=rf"takes 2\d,\d+ .* takes {most} .* \('orders/\*'\)"):
        table.grant_locks(make(stack), *names(500))


@pytest.mark.parametrize("kind", GRANTEES)
def test_what_a_policy_holds_is_granted(stack, table, kind):
    make, _, enough = GRANTEES[kind]
    assert table.grant_locks(make(stack), *names(enough)).success


@pytest.mark.parametrize(
    "make",
    [
        lambda stack: imported(stack, mutable=False),
        lambda stack: iam.Role(stack, "Role", assumed_by=WEB).without_policy_updates(),
        lambda stack: iam.Role.from_role_arn(stack, "Role", ROLE_ARN.replace("1111", "2222")),
    ],
    ids=["not to be changed", "of which policies are written elsewhere", "of another account"],
)
def test_a_role_that_is_not_written_to_is_none_to_measure(stack, table, make):
    table.grant_locks(make(stack), *names(500))
    assert Template.from_stack(stack).find_resources("AWS::IAM::Policy") == {}


def test_grants_that_an_imported_role_holds_one_by_one_are_measured_together(stack, table):
    role = imported(stack)
    table.grant_locks(role, *names(150))
    with pytest.raises(ValueError, match=r"takes 1\d,\d+ .* takes 10,240 "):
        table.grant_counters(role, *names(150))


def test_grants_that_an_own_role_holds_one_by_one_are_spread_over_managed_policies(stack, table):
    role = iam.Role(stack, "Role", assumed_by=WEB)
    for part in ("a", "b", "c"):
        table.grant_locks(role, *[f"{part}/{name}" for name in names(120)])
    kinds = ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy")
    assert all(Template.from_stack(stack).find_resources(kind) for kind in kinds)


def test_the_same_grant_twice_is_measured_once(stack, table):
    role = imported(stack)
    for _ in range(2):
        assert table.grant_locks(role, *names(150)).success


def test_what_tokens_stand_for_is_not_counted(stack, table):
    tenants = [f"{cdk.CfnParameter(stack, f'T{each}').value_as_string}/*" for each in range(100)]
    assert table.grant_locks(imported(stack), *tenants).success


def test_a_space_is_not_counted(stack, table):
    spaced = [f"{name}{' ' * 40}x" for name in names(150)]
    assert table.grant_locks(imported(stack), *spaced).success
