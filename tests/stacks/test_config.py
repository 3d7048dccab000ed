"""Environments are refused early, with everything that is wrong with them."""

import aws_cdk as cdk
import pytest

from stacks.config import (
    Environment,
    IncompleteEnvironment,
    UnknownEnvironment,
    environment_of,
    parse,
)

GOOD = {
    "account": "111122223333",
    "region": "eu-central-1",
    "availability_zones": ["eu-central-1a", "eu-central-1b"],
    "cidr": "10.0.0.0/16",
    "nat_gateways": 1,
    "instance_type": "t4g.small",
    "capacity": [2, 4],
    "throttle": [200, 100],
    "log_retention_days": 14,
    "reserved_concurrency": 50,
    "alarm_email": "alarms@example.com",
    "monthly_budget": 100,
    "stateful": False,
    "emulated": False,
}


def test_a_complete_environment_is_parsed():
    environment = parse("dev", GOOD)
    assert isinstance(environment, Environment)
    assert environment.availability_zones == ("eu-central-1a", "eu-central-1b")
    assert environment.removal_policy is cdk.RemovalPolicy.DESTROY


def test_an_unknown_environment_is_refused_with_the_known_ones():
    app = cdk.App(context={"env": "staging", "environments": {"dev": GOOD, "prod": GOOD}})
    with pytest.raises(UnknownEnvironment, match=r"no environment 'staging'; use -c env=dev\|prod"):
        environment_of(app.node)


def test_no_environment_is_refused_too():
    with pytest.raises(UnknownEnvironment, match="no environment is chosen"):
        environment_of(cdk.App(context={"environments": {"dev": GOOD}}).node)


def test_every_missing_value_is_named():
    incomplete = {key: GOOD[key] for key in GOOD if key not in {"cidr", "region"}}
    with pytest.raises(IncompleteEnvironment, match="cidr is missing; region is missing"):
        parse("dev", incomplete)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"account": 111122223333}, "account is not a string"),
        ({"availability_zones": ["eu-central-1a"]}, "fewer than two"),
        ({"availability_zones": ["eu-central-1a", "us-east-1b"]}, "outside eu-central-1"),
        ({"cidr": "10.0.0.1/16"}, "has host bits set"),
        ({"capacity": [3, 2]}, "capacity is not"),
        ({"nat_gateways": 0}, "nat_gateways is 0"),
        ({"alarm_email": None}, "alarm_email is not set"),
        ({"monthly_budget": None}, "monthly_budget is not set"),
        ({"stateful": True}, "certificate_arn is not set"),
        ({"code_signing": "always"}, "code_signing is none of warn, enforce"),
        ({"colour": "blue"}, "colour is not known"),
    ],
)
def test_what_cannot_be_deployed_is_refused(change, complaint):
    with pytest.raises(IncompleteEnvironment, match=complaint):
        parse("dev", GOOD | change)
