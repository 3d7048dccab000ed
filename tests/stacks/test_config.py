"""Environments are refused early, with everything that is wrong with them."""

import json
import os
import subprocess
import sys

import aws_cdk as cdk
import pytest
from aws_cdk import aws_logs as logs
from aws_cdk.assertions import Template

from stacks.config import (
    RETENTION,
    Environment,
    IncompleteEnvironment,
    UnknownEnvironment,
    environment_of,
    parse,
)
from stacks.sign_in import sign_in_of
from tests.stacks.conftest import ROOT

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

CERTIFICATE = "arn:aws:acm:eu-central-1:111122223333:certificate/1"
POOL = {"kind": "cognito", "host": "count.example.com"}
PROVIDER = {
    "kind": "oidc",
    "issuer": "https://id.test/tenant",
    "authorization_endpoint": "https://id.test/authorize",
    "token_endpoint": "https://id.test/token",
    "user_info_endpoint": "https://id.test/userinfo",
    "client_id": "interlock",
    "client_secret": "arn:aws:secretsmanager:eu-central-1:111122223333:secret:sign-in-AbCdEf",
}


def test_a_complete_environment_is_parsed():
    environment = parse("dev", GOOD)
    assert isinstance(environment, Environment)
    assert environment.availability_zones == ("eu-central-1a", "eu-central-1b")
    assert environment.removal_policy is cdk.RemovalPolicy.DESTROY


def test_an_unknown_environment_is_refused_with_the_known_ones():
    app = cdk.App(context={"env": "staging", "environments": {"dev": GOOD, "prod": GOOD}})
    with pytest.raises(
        UnknownEnvironment, match=r"there is no environment 'staging'; use -c env=dev\|prod"
    ):
        environment_of(app.node)


def test_no_environment_is_refused_too():
    with pytest.raises(UnknownEnvironment, match="no environment is chosen"):
        environment_of(cdk.App(context={"environments": {"dev": GOOD}}).node)


def test_everything_wrong_is_named_at_once():
    broken = {key: GOOD[key] for key in GOOD if key not in {"cidr", "region"}}
    broken |= {"colour": "blue", "nat_gateways": "1"}
    with pytest.raises(IncompleteEnvironment) as refused:
        parse("dev", broken)
    assert str(refused.value).split("\n  - ") == [
        "environment 'dev' in cdk.json cannot be used:",
        "cidr is missing",
        "region is missing",
        "colour is not known",
        "nat_gateways is '1'; give a whole number",
    ]


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("account", 111122223333, "a string of 12 digits"),
        ("account", "11112222333", "a string of 12 digits"),
        ("region", "Frankfurt", "a region such as"),
        ("availability_zones", "eu-central-1a", "a list of two different zones"),
        ("availability_zones", ["eu-central-1a"], "a list of two different zones"),
        ("availability_zones", ["eu-central-1a", "eu-central-1a"], "a list of two different zones"),
        ("cidr", "10.0.0.1/16", "a private network"),
        ("cidr", "10.0.0.0/24", "a private network"),
        ("cidr", "8.0.0.0/16", "a private network"),
        ("cidr", 10, "a private network"),
        ("nat_gateways", True, "a whole number"),
        ("nat_gateways", -1, "a whole number"),
        ("instance_type", "large", "a type such as"),
        ("image_id", "al2023", "the id of an image"),
        ("capacity", 2, "[least, greatest]"),
        ("capacity", [0, 2], "[least, greatest]"),
        ("capacity", [1, 2, 3], "[least, greatest]"),
        ("throttle", [200], "[burst, requests a second]"),
        ("throttle", [200, 0.5], "[burst, requests a second]"),
        ("log_retention_days", 15, "one of 1, 3, 5, 7, 14, 30"),
        ("log_retention_days", 30.0, "one of 1, 3, 5, 7, 14, 30"),
        ("log_retention_days", True, "one of 1, 3, 5, 7, 14, 30"),
        ("log_retention_days", None, "one of 1, 3, 5, 7, 14, 30"),
        ("reserved_concurrency", 0, "a whole number of at least 1"),
        ("certificate_arn", "my-certificate", "an ACM certificate's ARN"),
        ("alarm_email", "somebody", "a mail address"),
        ("monthly_budget", "100", "US dollars"),
        ("code_signing", "always", "warn or enforce"),
        ("open_to_anybody", "yes", "true or false"),
        ("stateful", "no", "true or false"),
    ],
)
def test_each_value_is_refused_with_what_is_wanted(key, value, wanted):
    with pytest.raises(IncompleteEnvironment) as refused:
        parse("dev", GOOD | {key: value})
    assert f"{key} is {value!r}; give {wanted}" in str(refused.value)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"availability_zones": ["eu-central-1a", "us-east-1b"]}, "one outside eu-central-1"),
        ({"capacity": [3, 2]}, "capacity [3, 2] is not [least, greatest]"),
        ({"capacity": [2, 2]}, "capacity [2, 2] leaves no room to replace instances"),
        ({"nat_gateways": 0}, "nat_gateways is 0"),
        ({"nat_gateways": 3}, "nat_gateways is 3, for 2 zones"),
        ({"alarm_email": None}, "alarm_email is not set"),
        ({"monthly_budget": None}, "monthly_budget is not set"),
        ({"reserved_concurrency": None}, "reserved_concurrency is not set"),
        ({"stateful": True}, "certificate_arn is not set"),
        ({"stateful": True}, '"open_to_anybody": true where that is meant'),
        ({"stateful": True, "open_to_anybody": False}, "identity is not set"),
        ({"identity": POOL}, "people sign in over HTTPS alone"),
        ({"identity": POOL, "open_to_anybody": True}, "open_to_anybody is true, but identity"),
        ({"certificate_arn": CERTIFICATE.replace("eu", "us")}, "another region or account"),
        ({"certificate_arn": CERTIFICATE.replace("2222", "9999")}, "another region or account"),
    ],
)
def test_values_that_do_not_go_together_are_refused(change, complaint):
    with pytest.raises(IncompleteEnvironment) as refused:
        parse("dev", GOOD | change)
    assert complaint in str(refused.value)


def test_what_is_sound_is_taken():
    kept = {"stateful": True, "certificate_arn": CERTIFICATE}
    for change in (
        {"code_signing": "warn"},
        {**kept, "open_to_anybody": True},
        {**kept, "identity": POOL},
        {**kept, "identity": PROVIDER},
        {"certificate_arn": CERTIFICATE, "identity": POOL},
    ):
        parse("dev", GOOD | change)


def test_everything_wrong_with_an_identity_is_named_at_once():
    broken = {key: PROVIDER[key] for key in PROVIDER if key not in {"issuer", "client_id"}}
    broken |= {"colour": "blue", "token_endpoint": "http://id.test/token"}
    with pytest.raises(IncompleteEnvironment) as refused:
        parse("dev", GOOD | {"nat_gateways": "1", "identity": broken})
    plain = f"identity.token_endpoint is {broken['token_endpoint']!r}; give an https:// address"
    assert str(refused.value).split("\n  - ")[1:] == [
        "nat_gateways is '1'; give a whole number",
        "identity.client_id is missing",
        "identity.issuer is missing",
        "identity.colour is not known",
        f"{plain} without a query",
    ]


@pytest.mark.parametrize("value", ["cognito", True, [], {}, {"kind": "saml"}, {"kind": ["oidc"]}])
def test_an_identity_of_no_known_kind_is_refused(value):
    with pytest.raises(IncompleteEnvironment, match='whose "kind" is one of cognito, oidc'):
        parse("dev", GOOD | {"identity": value})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("issuer", "https://id.test/?tenant=1"),
        ("issuer", "https://id.test/$(reboot)"),
        ("client_id", ""),
        ("client_id", "a b"),
        ("client_secret", "a secret"),
        ("client_secret", 7),
        ("scope", "email"),
        ("groups_claim", "a claim"),
        ("groups", {"boss": "ops"}),
        ("groups", {"viewer": ""}),
        ("groups", {"viewer": "a,b"}),
        ("groups", {"viewer": "operator"}),  # which is the operators' group
        ("groups", ["ops"]),
        ("sign_out", "https://id.test/`reboot`"),
    ],
)
def test_each_value_of_an_identity_is_refused_with_what_is_wanted(key, value):
    with pytest.raises(IncompleteEnvironment) as refused:
        parse("dev", GOOD | {"identity": {**PROVIDER, key: value}})
    assert f"identity.{key} is {value!r}; give " in str(refused.value)


def test_a_pool_wants_the_name_at_which_people_open_the_page():
    for host in ("Count.example.com", "count", "https://count.example.com", "", 1):
        with pytest.raises(IncompleteEnvironment, match="give a domain name in lower case"):
            parse("dev", GOOD | {"identity": {"kind": "cognito", "host": host}})


def test_on_one_machine_the_provider_comes_from_the_context():
    context = {"env": "local", "environments": {"local": {**GOOD, "emulated": True}}}
    loopback = {key: str(value).replace("https:", "http:") for key, value in PROVIDER.items()}
    given = {"identity": json.dumps(loopback)}
    identity = environment_of(cdk.App(context=context | given).node).identity
    assert identity == sign_in_of(loopback)


def test_an_environment_of_aws_takes_no_provider_from_the_context():
    context = {"env": "dev", "environments": {"dev": GOOD}, "identity": json.dumps(PROVIDER)}
    assert environment_of(cdk.App(context=context).node).identity is None


def test_every_retention_that_may_be_chosen_is_one_of_cloudwatch():
    stack = cdk.Stack(cdk.App(), "Stack")
    for days in RETENTION:
        kept = parse("dev", GOOD | {"log_retention_days": days}).log_retention
        logs.LogGroup(stack, f"Logs{days}", retention=kept)
    groups = Template.from_stack(stack).find_resources("AWS::Logs::LogGroup").items()
    assert all(name.startswith(f"Logs{g['Properties']['RetentionInDays']}") for name, g in groups)


@pytest.mark.parametrize(
    ("instance_type", "architecture"), [("t4g.small", "ARM_64"), ("m7i.large", "X86_64")]
)
def test_processor_follows_the_instance_type(instance_type, architecture):
    environment = parse("dev", GOOD | {"instance_type": instance_type})
    assert environment.architecture.value == architecture


def test_a_refusal_on_the_command_line_is_its_words_alone(tmp_path):
    """No traceback: it would bury what to do."""
    context = json.loads((ROOT / "cdk.json").read_text())["context"] | {"region": "x"}
    done = subprocess.run(
        [sys.executable, ROOT / "app.py"],
        env=os.environ | {"CDK_CONTEXT_JSON": json.dumps(context), "CDK_OUTDIR": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "use -c env=local|dev|prod (cdk.json, environments)" in done.stderr
    assert "Traceback" not in done.stderr
