"""Who may sign in, and that no request but two kinds gets past the load balancer without."""

import json

import aws_cdk as cdk
import pytest
from aws_cdk.assertions import Match, Template

from server.roles import LABELS
from stacks.application import Application
from stacks.sign_in import ROLES
from tests.stacks.conftest import context
from tests.stacks.policies import rendered
from tests.stacks.test_config import CERTIFICATE, GOOD, PROVIDER


@pytest.fixture(scope="module")
def with_provider(tmp_path_factory):
    """The templates of dev, with people of a provider that is there already."""
    given = context("dev")
    given["environments"]["dev"] |= {
        "account": GOOD["account"],
        "certificate_arn": CERTIFICATE,
        "identity": {
            **PROVIDER,
            "groups": {"administrator": "ops"},
            "sign_out": "https://id.interlock.dev/",
        },
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK_VALIDATION", "false")
        app = cdk.App(context=given, outdir=str(tmp_path_factory.mktemp("provider")))
        application = Application(app)
        return {
            "Service": Template.from_stack(application.service),
            "Network": Template.from_stack(application.network),
            "identity": application.identity,
        }


@pytest.fixture(scope="module")
def prod(synthesized_once):
    return synthesized_once("prod")


def rules(found):
    """Return what each rule of the listeners does, in the order in which it is tried."""
    told = {}
    for rule in sorted(found.values(), key=lambda each: each["Priority"]):
        paths = tuple(rule["Conditions"][0]["PathPatternConfig"]["Values"])
        first = rule["Actions"][0]
        told[paths] = first.get("AuthenticateOidcConfig", {}).get("OnUnauthenticatedRequest")
    return told


def test_only_the_public_keys_are_read_without_signing_in(prod):
    found = prod.of_type("AWS::ElasticLoadBalancingV2::ListenerRule")
    assert rules(found) == {
        ("/api/.well-known/jwks.json",): None,
        ("/api/*", "/service/*", "/events"): "deny",
    }
    (public,) = (each for each in found.values() if each["Priority"] == 1)
    methods = public["Conditions"][1]["HttpRequestMethodConfig"]["Values"]
    assert set(methods) == {"GET", "HEAD"}
    listeners = prod.of_type("AWS::ElasticLoadBalancingV2::Listener").values()
    (secure,) = (each for each in listeners if each["Port"] == 443)
    first, second = sorted(secure["DefaultActions"], key=lambda each: each["Order"])
    assert first["AuthenticateOidcConfig"]["OnUnauthenticatedRequest"] == "authenticate"
    assert second["Type"] == "forward"


def test_people_are_invited_and_sign_in_by_mail(prod):
    (pool,) = prod.of_type("AWS::Cognito::UserPool").values()
    assert pool["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}
    assert pool["UsernameAttributes"] == ["email"]
    assert pool["MfaConfiguration"] == "OPTIONAL"
    assert pool["EnabledMfas"] == ["SOFTWARE_TOKEN_MFA"]
    assert pool["DeletionProtection"] == "ACTIVE"
    (resource,) = (
        each
        for each in prod.templates["Identity"]["Resources"].values()
        if each["Type"] == "AWS::Cognito::UserPool"
    )
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    groups = prod.of_type("AWS::Cognito::UserPoolGroup").values()
    assert {each["GroupName"] for each in groups} == set(ROLES)


def test_the_roles_are_those_of_the_service():
    assert ROLES == LABELS


def test_the_client_takes_codes_for_the_load_balancer_alone(prod):
    (client,) = prod.of_type("AWS::Cognito::UserPoolClient", "Service").values()
    assert client["AllowedOAuthFlows"] == ["code"]
    assert client["CallbackURLs"] == ["https://count.example.com/oauth2/idpresponse"]
    assert client["GenerateSecret"] is True
    assert client["ExplicitAuthFlows"] == ["ALLOW_REFRESH_TOKEN_AUTH"]


def test_the_clients_secret_leaves_its_stack_by_no_output(prod):
    """All who may describe stacks could read it there."""
    for stack, template in prod.templates.items():
        for output in template.get("Outputs", {}).values():
            assert "ClientSecret" not in json.dumps(output), stack
    text = json.dumps(prod.templates["Service"]["Resources"])
    assert text.count('"ClientSecret": {"Fn::GetAtt": ["SignIn') == 2  # the listener's two actions


def test_the_service_hears_whose_word_to_take(prod):
    (template,) = prod.of_type("AWS::EC2::LaunchTemplate").values()
    script = rendered(template["LaunchTemplateData"]["UserData"]["Fn::Base64"])
    (settings,) = (part for part in script.split("export ") if part.startswith("SETTINGS="))
    lines = dict(line.split("=", 1) for line in settings.split('"')[1].splitlines())
    assert lines["INTERLOCK_SIGNER"] == "<LoadBalancer>"
    assert lines["INTERLOCK_GROUPS_CLAIM"] == "cognito:groups"
    assert lines["INTERLOCK_ACCESS_TOKEN_KEYS"].endswith("/.well-known/jwks.json")
    assert lines["INTERLOCK_ACCESS_TOKEN_KEYS"].startswith(lines["INTERLOCK_SIGN_IN_ISSUER"])
    assert lines["INTERLOCK_SIGN_OUT"].endswith("logout_uri=https%3A%2F%2Fcount.example.com%2F")
    assert "$SETTINGS\nVARIABLES" in script


def test_without_an_identity_nothing_is_said_of_one(synthesized_once):
    dev = synthesized_once("dev")
    assert dev.of_type("AWS::ElasticLoadBalancingV2::ListenerRule") == {}
    assert "Identity" not in dev.templates
    (template,) = dev.of_type("AWS::EC2::LaunchTemplate").values()
    told = rendered(template["LaunchTemplateData"]["UserData"]["Fn::Base64"])
    assert "INTERLOCK_SIGN" not in told


def test_a_provider_that_is_there_keeps_its_secret_in_secrets_manager(with_provider):
    assert with_provider["identity"] is None  # nothing is made for it
    listener = {
        "Port": 443,
        "DefaultActions": Match.array_with(
            [
                Match.object_like(
                    {
                        "AuthenticateOidcConfig": {
                            "Issuer": "https://id.interlock.dev/tenant",
                            "ClientSecret": (
                                "{{resolve:secretsmanager:"
                                f"{PROVIDER['client_secret']}:SecretString:::}}}}"
                            ),
                            "Scope": "openid profile email",
                        }
                    }
                )
            ]
        ),
    }
    with_provider["Service"].has_resource_properties(
        "AWS::ElasticLoadBalancingV2::Listener", listener
    )
    (template,) = with_provider["Service"].find_resources("AWS::EC2::LaunchTemplate").values()
    data = template["Properties"]["LaunchTemplateData"]
    script = rendered(data["UserData"]["Fn::Base64"])
    assert (
        "INTERLOCK_GROUPS=administrator=ops\nINTERLOCK_SIGN_OUT=https://id.interlock.dev/" in script
    )


def test_the_load_balancer_reaches_its_provider(with_provider):
    with_provider["Network"].has_resource_properties(
        "AWS::EC2::SecurityGroup",
        {
            "GroupDescription": "Interlock: load balancer",
            "SecurityGroupEgress": Match.array_with(
                [
                    Match.object_like(
                        {"CidrIp": "0.0.0.0/0", "FromPort": 443, "ToPort": 443, "IpProtocol": "tcp"}
                    )
                ]
            ),
        },
    )
