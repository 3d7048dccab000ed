"""Each door takes TLS of a least version, at a name that its certificate has."""

import re

import aws_cdk as cdk
import pytest

from stacks.application import Application
from stacks.config import parse
from tests.stacks.conftest import Synthesized, context, synthesize
from tests.stacks.policies import rendered
from tests.stacks.test_config import CERTIFICATE, DOMAIN, GOOD, POOL, PROVIDER
from tests.stacks.test_instances import SCRIPT
from tests.stacks.test_lint import cfn_lint, templates
from tests.stacks.test_policy import STRICT, judge


def named() -> dict[str, object]:
    """Return the context of dev with a domain, for which everything is made."""
    given = context("dev")
    given["environments"]["dev"] |= {"domain": DOMAIN, "identity": POOL}
    return given


@pytest.fixture(scope="module")
def domain(tmp_path_factory) -> Synthesized:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK_VALIDATION", "false")
        settings = named()["environments"]
        return synthesize("dev", tmp_path_factory.mktemp("named"), environments=settings)


def secure(made: Synthesized) -> dict[str, object]:
    found = made.of_type("AWS::ElasticLoadBalancingV2::Listener").values()
    (listener,) = (each for each in found if each["Port"] == 443)
    return dict(listener)


def test_the_load_balancer_takes_tls_1_2_and_newer_with_post_quantum_key_exchange(synthesized_once):
    policy = str(secure(synthesized_once("prod"))["SslPolicy"])
    # ELBSecurityPolicy-TLS13-1-2-...: from 1.2 to 1.3.
    found = re.match(r"ELBSecurityPolicy-TLS13-1-(\d)", policy)
    assert found is not None, policy
    assert int(found[1]) >= 2
    assert "-PQ-" in policy


def test_the_api_takes_tls_1_2_and_newer_at_its_own_name_alone(real):
    (api,) = real.of_type("AWS::ApiGateway::RestApi").values()
    assert api["SecurityPolicy"] == "SecurityPolicy_TLS13_1_2_PQ_2025_09"
    assert api["EndpointAccessMode"] == "STRICT"


@pytest.mark.parametrize("compute", ["instances", "containers"])
@pytest.mark.parametrize("name", ["dev", "prod"])
def test_targets_are_reached_over_tls_and_their_health_is_asked_over_it(
    synthesized_once, name, compute
):
    """At least TLS 1.2, as tests/unit/server/test_process.py has the service take it."""
    made = synthesized_once(name, **({} if compute == "instances" else {"compute": compute}))
    (targets,) = made.of_type("AWS::ElasticLoadBalancingV2::TargetGroup").values()
    assert targets["Protocol"] == targets["HealthCheckProtocol"] == "HTTPS"
    assert "Name" not in targets  # a fixed one would be taken when another protocol replaces it
    if compute == "containers":
        (task,) = made.of_type("AWS::ECS::TaskDefinition").values()
        (container,) = task["ContainerDefinitions"]
        variables = {each["Name"]: each["Value"] for each in container["Environment"]}
        assert variables["INTERLOCK_TLS"] == "on"
    else:
        assert "\nINTERLOCK_TLS=on\n" in SCRIPT


def test_on_one_machine_the_emulators_load_balancer_knows_no_tls_to_its_targets(synthesized_once):
    for given in ({}, {"compute": "containers"}):
        made = synthesized_once("local", **given)
        (targets,) = made.of_type("AWS::ElasticLoadBalancingV2::TargetGroup").values()
        assert targets["Protocol"] == targets["HealthCheckProtocol"] == "HTTP"


def test_buckets_queues_and_topics_take_tls_alone(real):
    for kind in ("AWS::S3::BucketPolicy", "AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"):
        policies = real.of_type(kind).values()
        assert policies
        for policy in policies:
            denied = [
                statement["Condition"]
                for statement in policy["PolicyDocument"]["Statement"]
                if statement["Effect"] == "Deny"
            ]
            assert {"Bool": {"aws:SecureTransport": "false"}} in denied
    for policy in real.of_type("AWS::S3::BucketPolicy").values():
        assert "s3:TlsVersion" in str(policy)


def test_a_domain_brings_its_record_and_its_certificate(domain):
    (record,) = domain.of_type("AWS::Route53::RecordSet").values()
    assert (record["Name"], record["Type"]) == ("count.interlock.dev.", "A")
    assert record["HostedZoneId"] == DOMAIN["zone_id"]
    assert "DNSName" in record["AliasTarget"]
    (certificate,) = domain.of_type("AWS::CertificateManager::Certificate").values()
    assert certificate["DomainName"] == "count.interlock.dev"
    assert certificate["ValidationMethod"] == "DNS"
    (validation,) = certificate["DomainValidationOptions"]
    assert validation["HostedZoneId"] == DOMAIN["zone_id"]
    assert "Ref" in secure(domain)["Certificates"][0]["CertificateArn"]  # type: ignore[index]


def test_a_certificate_that_is_there_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("CDK_VALIDATION", "false")
    settings = named()["environments"]
    settings["dev"] |= {  # type: ignore[index]
        "account": GOOD["account"],
        "certificate_arn": CERTIFICATE,
    }
    made = synthesize("dev", tmp_path, environments=settings)
    assert made.of_type("AWS::CertificateManager::Certificate") == {}
    assert len(made.of_type("AWS::Route53::RecordSet")) == 1
    assert secure(made)["Certificates"] == [{"CertificateArn": CERTIFICATE}]


def test_the_service_is_opened_at_a_name_that_the_certificate_has(domain, synthesized_once):
    def address(made):
        return rendered(made.templates["Service"]["Outputs"]["ServiceUrl"]["Value"])

    assert address(domain) == "https://count.interlock.dev"
    assert address(synthesized_once("prod")) == "https://count.example.com"
    assert address(synthesized_once("dev")).startswith("http://<LoadBalancer")


def test_without_a_known_name_no_address_is_told_but_what_to_do():
    environment = parse("dev", GOOD | {"certificate_arn": CERTIFICATE, "identity": PROVIDER})
    assert environment.host is None
    assert environment.notes == (
        "ServiceUrl is left out: no name is known that the certificate has; give domain",
    )


@pytest.mark.slow
def test_no_rule_finds_anything_in_it(domain, tmp_path, monkeypatch):
    result = cfn_lint(templates(domain.assembly))
    assert (result.returncode, result.stdout) == (0, "")
    monkeypatch.delenv("CDK_VALIDATION", raising=False)
    app = cdk.App(context={**named(), **STRICT}, outdir=str(tmp_path))
    Application(app)
    report = judge(app, tmp_path)
    assert (report.unanswered, report.stale) == (frozenset(), frozenset())
