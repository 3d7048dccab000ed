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
    Environment,
    EnvironmentRefused,
    IncompleteEnvironment,
    UnknownEnvironment,
    environment_of,
    parse,
)
from stacks.sign_in import sign_in_of
from stacks.values import RETENTION
from tests.stacks.conftest import ROOT

GOOD = {
    "account": "271828182845",
    "region": "eu-central-1",
    "availability_zones": ["eu-central-1a", "eu-central-1b"],
    "cidr": "10.0.0.0/16",
    "nat_gateways": 1,
    "instance_type": "t4g.small",
    "capacity": [2, 4],
    "throttle": [200, 100],
    "log_retention_days": 14,
    "reserved_concurrency": 50,
    "alarm_email": "alarms@interlock.dev",
    "monthly_budget": 100,
    "stateful": False,
    "emulated": False,
}

CERTIFICATE = (
    "arn:aws:acm:eu-central-1:271828182845:certificate/12345678-1234-4234-8234-123456789012"
)
DOMAIN = {
    "name": "count.interlock.dev",
    "zone_id": "Z2FDTNDATAQYW2",
    "zone_name": "interlock.dev",
}
POOL = {"kind": "cognito", "host": "count.interlock.dev"}
PROVIDER = {
    "kind": "oidc",
    "issuer": "https://id.interlock.dev/tenant",
    "authorization_endpoint": "https://id.interlock.dev/authorize",
    "token_endpoint": "https://id.interlock.dev/token",
    "user_info_endpoint": "https://id.interlock.dev/userinfo",
    "client_id": "interlock",
    "client_secret": "arn:aws:secretsmanager:eu-central-1:271828182845:secret:sign-in-AbCdEf",
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


@pytest.mark.parametrize("environments", [[GOOD], "dev", {"dev": [GOOD]}])
def test_what_is_no_object_for_each_name_is_refused(environments):
    app = cdk.App(context={"env": "dev", "environments": environments})
    with pytest.raises(EnvironmentRefused, match="an object for each name"):
        environment_of(app.node)


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
        ("account", 271828182845, "a string of 12 digits"),
        ("account", "27182818284", "a string of 12 digits"),
        ("account", "٢٧١٨٢٨١٨٢٨٤٥", "a string of 12 digits"),
        ("region", "Frankfurt", "a region such as"),
        ("availability_zones", "eu-central-1a", "a list of two different zones"),
        ("availability_zones", ["eu-central-1a"], "a list of two different zones"),
        ("availability_zones", ["eu-central-1a", "eu-central-1a"], "a list of two different zones"),
        ("cidr", "10.0.0.1/16", "a private network"),
        ("cidr", "10.0.0.0/24", "a private network"),
        ("cidr", "8.0.0.0/16", "a private network"),
        ("cidr", 10, "a private network"),
        ("cidr", "169.254.0.0/16", "a private network"),
        ("cidr", "240.0.0.0/16", "a private network"),
        ("cidr", "172.32.0.0/16", "a private network"),
        ("nat_gateways", True, "a whole number"),
        ("nat_gateways", -1, "a whole number"),
        ("instance_type", "large", "a type such as"),
        ("image_id", "al2023", "the id of an image"),
        ("requests_per_target", 0, "requests a minute"),
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
        ("region", "mars-north-1", "a region such as"),
        ("instance_type", "t4g.huge", "a type such as"),
        ("alarm_email", "me@localhost", "a mail address that the internet reaches"),
        ("alarm_email", "me@mail.localhost", "a mail address that the internet reaches"),
        ("alarm_email", "me@mail.", "a mail address that the internet reaches"),
        ("concurrency_quota", 0, "the account's quota"),
        ("snap_start", "no", "true or false"),
        ("budgets", 0, "true or false"),
        ("certificate_arn", CERTIFICATE[:-1], "an ACM certificate's ARN"),
        ("certificate_arn", "my-certificate", "an ACM certificate's ARN"),
        ("alarm_email", "somebody", "a mail address"),
        ("alarm_email", "m\N{NO-BREAK SPACE}e@interlock.dev", "a mail address"),
        ("monthly_budget", "100", "US dollars"),
        ("code_signing", "always", "warn or enforce"),
        ("api_logging_role", "no", "true or false"),
        ("backup_lock", "off", "governance or compliance"),
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
        (
            {"availability_zones": ["eu-central-1a", "eu-central-1z"]},
            "availability_zones has ['eu-central-1z']: zones of eu-central-1 are named",
        ),
        ({"availability_zones": ["eu-central-1a", "eu-central-1-ham-1a"]}, "ham-1a"),
        (
            {
                "cidr": "10.0.0.0/20",
                "availability_zones": [f"eu-central-1{zone}" for zone in "abcd"],
            },
            "cidr 10.0.0.0/20 is too small for 4 zones",
        ),
        ({"emulated": True, "stateful": True}, "an emulator keeps nothing"),
        ({"reserved_concurrency": 901}, "of an account's quota of 1000 at most 900"),
        ({"reserved_concurrency": 2000, "concurrency_quota": 2099}, "at most 1999 can be"),
        ({"region": "us-gov-west-1", "budgets": True}, "makes no budgets in us-gov-west-1"),
        ({"region": "cn-north-1", "snap_start": True}, "cn-north-1 has no SnapStart"),
        ({"region": "cn-north-1", "code_signing": "warn"}, "has no code signing"),
        ({"region": "cn-north-1", "identity": POOL}, "cn-north-1 has no user pools"),
        (
            {"domain": DOMAIN | {"name": "x.interlock.dev"}, "identity": POOL},
            "domain.name is x.interlock.dev, but identity.host is count.interlock.dev",
        ),
        ({"domain": DOMAIN, "emulated": True}, "the names of an emulator are its own"),
        ({"domain": "count.interlock.dev"}, "give an object of name, zone_id, zone_name"),
        ({"domain": {"name": "count.interlock.dev"}}, "domain.zone_id is missing"),
        ({"domain": DOMAIN | {"colour": 1}}, "domain.colour is not known"),
        ({"domain": DOMAIN | {"zone_id": "interlock"}}, "give the id of a hosted zone"),
        ({"domain": DOMAIN | {"zone_name": "interlock.dev."}}, "without a dot at its end"),
        ({"domain": DOMAIN | {"name": "count.dev"}}, "count.dev is not in the zone interlock.dev"),
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
        ({"certificate_arn": CERTIFICATE.replace("2718", "9999")}, "another region or account"),
    ],
)
def test_values_that_do_not_go_together_are_refused(change, complaint):
    with pytest.raises(IncompleteEnvironment) as refused:
        parse("dev", GOOD | change)
    assert complaint in str(refused.value)


@pytest.mark.parametrize("name", ["e" * 31, "two words", "a_b", "ü"])
def test_a_name_that_makes_no_name_of_a_role_is_refused(name):
    with pytest.raises(IncompleteEnvironment, match="1 to 30 letters, digits and -"):
        parse(name, GOOD)


def test_the_longest_name_in_the_longest_region_makes_the_name_of_a_role():
    region = "ap-southeast-1"
    zones = [f"{region}a", f"{region}b"]
    made = parse("e" * 30, GOOD | {"region": region, "availability_zones": zones})
    assert len(made.service_role) <= 64


def test_what_is_sound_is_taken():
    kept = {"stateful": True, "certificate_arn": CERTIFICATE}
    for change in (
        {"code_signing": "warn"},
        {**kept, "open_to_anybody": True},
        {**kept, "identity": POOL},
        {**kept, "identity": PROVIDER},
        {"certificate_arn": CERTIFICATE, "identity": POOL},
        {"reserved_concurrency": 2000, "concurrency_quota": 2100},
        {"domain": DOMAIN, "identity": POOL, "stateful": True},
        {"domain": DOMAIN, "certificate_arn": CERTIFICATE},
    ):
        parse("dev", GOOD | change)


def test_what_is_wrong_together_is_named_with_what_is_wrong_by_itself():
    broken = {key: GOOD[key] for key in GOOD if key != "cidr"}
    broken |= {"throttle": 1, "capacity": [4, 2], "reserved_concurrency": 5000}
    with pytest.raises(IncompleteEnvironment) as refused:
        parse("dev", broken | {"account": "111122223333"})
    assert [line.split(" is ")[0] for line in str(refused.value).split("\n  - ")[1:]] == [
        "cidr",
        "throttle",
        "capacity [4, 2]",
        "reserved_concurrency",
        "account",
        "to look at templates without an account: make synth ENV=dev, or -c placeholders=allowed",
    ]


PLACEHOLDERS = [
    {"account": "111122223333"},
    {"account": "123456789012"},
    {"account": "777777777777"},
    {"image_id": "ami-0abcdef1234567890"},
    {"alarm_email": "alarms@example.com"},
    {"alarm_email": "alarms@mail.example.org"},
    {"alarm_email": "alarms@us.invalid"},
    {"domain": DOMAIN | {"zone_id": "ZEXAMPLE1234"}},
    {"certificate_arn": CERTIFICATE[:-36] + "00000000-0000-4000-8000-000000000000"},
    {"certificate_arn": CERTIFICATE[:-36] + "12345678-1234-1234-1234-123456789012"},
    {"certificate_arn": CERTIFICATE[:-36] + "11111111-1111-1111-1111-111111111111"},
    {"image_id": "ami-0123456789abcdef0"},
    {"image_id": "ami-1234567890abcdef0"},
    {"certificate_arn": CERTIFICATE, "identity": {**POOL, "host": "count.example.com"}},
    {
        "certificate_arn": CERTIFICATE,
        "identity": {**PROVIDER, "issuer": "https://id.example/tenant"},
    },
]


@pytest.mark.parametrize("change", PLACEHOLDERS, ids=str)
def test_what_stands_for_ones_own_is_refused_and_may_be_looked_at(change):
    with pytest.raises(IncompleteEnvironment, match="stands for your own"):
        parse("dev", GOOD | change)
    environment = parse("dev", GOOD | change, allow_placeholders=True)
    (said,) = environment.placeholders
    assert said.split(".")[0].split(" is ")[0] == list(change)[-1]


def test_an_emulator_takes_placeholders():
    parse("local", GOOD | {"account": "000000000000", "emulated": True})


@pytest.mark.parametrize("name", ["dev", "prod"])
def test_the_environments_as_cloned_are_refused(name):
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    with pytest.raises(IncompleteEnvironment) as refused:
        environment_of(cdk.App(context=context | {"env": name}).node)
    assert "account is" in str(refused.value)
    assert "alarm_email is" in str(refused.value)
    allowed = context | {"env": name, "placeholders": "allowed"}
    assert environment_of(cdk.App(context=allowed).node).placeholders
    with pytest.raises(EnvironmentRefused, match="use -c placeholders=allowed"):
        environment_of(cdk.App(context=allowed | {"placeholders": "yes"}).node)


def test_protection_is_off_by_the_context_alone():
    kept = {"stateful": True, "certificate_arn": CERTIFICATE, "open_to_anybody": True}
    settings = {"env": "dev", "environments": {"dev": GOOD | kept}}
    assert environment_of(cdk.App(context=settings).node).protected
    off = environment_of(cdk.App(context=settings | {"protection": "off"}).node)
    assert off.stateful
    assert not off.protected
    assert any("-c protection=off" in note for note in off.notes)
    with pytest.raises(EnvironmentRefused, match="use -c protection=off, or on"):
        environment_of(cdk.App(context=settings | {"protection": "false"}).node)
    with pytest.raises(IncompleteEnvironment, match="protection is not known"):
        parse("dev", GOOD | {"protection": False})


def test_everything_wrong_with_an_identity_is_named_at_once():
    broken = {key: PROVIDER[key] for key in PROVIDER if key not in {"issuer", "client_id"}}
    broken |= {"colour": "blue", "token_endpoint": "http://id.interlock.dev/token"}
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
        ("issuer", "https://id.interlock.dev/?tenant=1"),
        ("issuer", "https://id.interlock.dev/$(reboot)"),
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
        ("sign_out", "https://id.interlock.dev/`reboot`"),
    ],
)
def test_each_value_of_an_identity_is_refused_with_what_is_wanted(key, value):
    with pytest.raises(IncompleteEnvironment) as refused:
        parse("dev", GOOD | {"identity": {**PROVIDER, key: value}})
    assert f"identity.{key} is {value!r}; give " in str(refused.value)


def test_a_pool_wants_the_name_at_which_people_open_the_page():
    for host in ("Count.example.com", "count", "https://count.interlock.dev", "10.0.0.1", "", 1):
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


def test_what_a_region_lacks_is_left_out_and_told():
    place = {
        "region": "eusc-de-east-1",
        "availability_zones": ["eusc-de-east-1a", "eusc-de-east-1b"],
    }
    environment = parse("dev", GOOD | place)
    assert not environment.starts_from_snapshots
    assert not environment.has_budget
    assert [note.split(":")[0] for note in environment.notes] == [
        "eusc-de-east-1 has no SnapStart of Python",
        "CloudFormation makes no budgets in eusc-de-east-1",
    ]
    decided = parse("dev", GOOD | place | {"snap_start": False, "budgets": False})
    assert decided.notes == ()
    assert parse("dev", GOOD).notes == ()


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
