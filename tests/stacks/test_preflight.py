"""An account is asked before a deployment, and each thing that is missing comes with its fix."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, NoCredentialsError
from botocore.validate import validate_parameters

from stacks.config import Environment, parse
from stacks.preflight import Problem, main, preflight
from tests.stacks.conftest import ROOT
from tests.stacks.test_config import CERTIFICATE, DOMAIN, GOOD, POOL, PROVIDER

REGION, ACCOUNT = str(GOOD["region"]), str(GOOD["account"])
KEPT = parse("prod", GOOD | {"stateful": True, "certificate_arn": CERTIFICATE, "identity": POOL})

Answer = Mapping[str, Any] | str | Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""What an operation returns, or the code of the error that it raises."""


def quota(code: str, value: float) -> dict[str, Any]:
    return {"Quota": {"QuotaCode": code, "Value": value}}


def zone(name: str, *, private: bool = False) -> dict[str, Any]:
    config = {"PrivateZone": private}
    return {"HostedZone": {"Id": "Z1", "Name": name, "CallerReference": "1", "Config": config}}


def certified(name: str, status: str) -> dict[str, Any]:
    return {"DescribeCertificate": {"Certificate": {"DomainName": name, "Status": status}}}


READY: dict[str, Answer] = {
    "GetCallerIdentity": {"Account": ACCOUNT, "Arn": f"arn:aws:iam::{ACCOUNT}:user/ada"},
    "DescribeAvailabilityZones": {
        "AvailabilityZones": [
            {"ZoneName": f"{REGION}{zone}", "State": "available"} for zone in "abc"
        ]
    },
    "DescribeInstanceTypeOfferings": {
        "InstanceTypeOfferings": [{"Location": f"{REGION}{zone}"} for zone in "ab"]
    },
    "DescribeCertificate": {
        "Certificate": {
            "DomainName": "interlock.dev",
            "SubjectAlternativeNames": ["*.interlock.dev"],
            "Status": "ISSUED",
        }
    },
    "GetHostedZone": zone("interlock.dev."),
    "GetAccountSettings": {
        "AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 950}
    },
    "ListFunctions": {"Functions": [{"FunctionName": "interlock-prod-api-Counters"}]},
    "GetFunctionConcurrency": {"ReservedConcurrentExecutions": 50},
    "GetParameter": {"Parameter": {"Value": "30"}},
    "GetRole": lambda given: {
        "Role": {
            "Path": "/",
            "RoleName": given["RoleName"],
            "RoleId": "AROAEXAMPLEEXAMPLE",
            "Arn": f"arn:aws:iam::{ACCOUNT}:role/{given['RoleName']}",
            "CreateDate": "2026-01-01T00:00:00Z",
        }
    },
    "AssumeRole": {},
    "DescribeSecret": {},
    "DescribeAddresses": {"Addresses": []},
    "DescribeVpcs": {"Vpcs": [{}]},
    "DescribeInstanceTypes": {"InstanceTypes": [{"VCpuInfo": {"DefaultVCpus": 2}}]},
    "GetAccount": {},
    "GetServiceQuota": lambda given: quota(
        given["QuotaCode"],
        5 if given["ServiceCode"] != "ec2" or given["QuotaCode"] == "L-0263D0A3" else 32,
    ),
}


@cache
def client_of(service: str) -> Any:
    session: Any = boto3.session.Session("x", "y", region_name=REGION)
    return session.client(service)


@pytest.fixture
def ask(monkeypatch):
    """Runs the checks against an account that answers as told; returns what is wrong."""

    def run(environment: Environment = KEPT, **changed: Answer) -> list[str]:
        answers = READY | changed

        def call(client: BaseClient, operation: str, given: dict[str, Any]) -> Any:
            model = client.meta.service_model.operation_model(operation)
            if model.input_shape is not None:
                validate_parameters(given, model.input_shape)
            answer = answers[operation]
            if isinstance(answer, str):
                error: Any = client.exceptions.from_code(answer)
                raise error({"Error": {"Code": answer, "Message": "no"}}, operation)
            return answer(given) if callable(answer) else answer

        monkeypatch.setattr(BaseClient, "_make_api_call", call)
        return [line for line in preflight(environment, client_of) if isinstance(line, Problem)]

    return run


def test_an_account_that_has_everything_is_ready(ask):
    assert ask() == []
    assert ask(replace(KEPT, compute="containers")) == []
    assert ask(parse("dev", GOOD)) == []


@pytest.mark.parametrize(
    ("changed", "what", "fix"),
    [
        (
            {"DescribeAvailabilityZones": {"AvailabilityZones": []}},
            "eu-central-1a, eu-central-1b is not available",
            "choose availability_zones among",
        ),
        (
            {"DescribeInstanceTypeOfferings": {"InstanceTypeOfferings": []}},
            "eu-central-1a, eu-central-1b has no t4g.small",
            "choose another instance_type",
        ),
        (
            {"DescribeCertificate": "ResourceNotFoundException"},
            f"{CERTIFICATE} is not there",
            "aws acm request-certificate",
        ),
        (
            {
                "DescribeCertificate": {
                    "Certificate": {"DomainName": POOL["host"], "Status": "PENDING_VALIDATION"}
                }
            },
            "the certificate is PENDING_VALIDATION",
            "add the record of its validation",
        ),
        (
            {
                "DescribeCertificate": {
                    "Certificate": {"DomainName": "interlock.dev", "Status": "ISSUED"}
                }
            },
            "the certificate is for interlock.dev, and people open count.interlock.dev",
            "request a certificate for count.interlock.dev",
        ),
        (
            {
                "GetAccountSettings": {
                    "AccountLimit": {
                        "ConcurrentExecutions": 10,
                        "UnreservedConcurrentExecutions": 10,
                    }
                },
                "ListFunctions": {"Functions": []},
            },
            "50 of 10 concurrent executions are to be reserved",
            "--quota-code L-B99A9384 --desired-value 150",
        ),
        ({"GetParameter": "ParameterNotFound"}, "is not bootstrapped", "local.cdk bootstrap aws:"),
        (
            {"GetParameter": {"Parameter": {"Value": "5"}}},
            "cdk bootstrap was of version 5; 6 is needed",
            "local.cdk bootstrap",
        ),
        (
            {"GetRole": "NoSuchEntity"},
            f"the role cdk-hnb659fds-deploy-role-{ACCOUNT}-{REGION} is not there",
            "run cdk bootstrap again",
        ),
        ({"AssumeRole": "AccessDenied"}, "you may not assume", "allow sts:AssumeRole on arn:aws"),
        (
            {"DescribeAddresses": {"Addresses": [{}] * 5}},
            "1 Elastic IPs are needed, 5 of 5 are taken",
            "--service-code ec2 --quota-code L-0263D0A3 --desired-value 6",
        ),
        (
            {"DescribeVpcs": {"Vpcs": [{}] * 5}},
            "a VPC is needed, 5 of 5 are there",
            "--service-code vpc --quota-code L-F678F1CE --desired-value 6",
        ),
        (
            {"GetServiceQuota": lambda given: quota(given["QuotaCode"], 9)},
            "10 vCPUs are needed at capacity 4, the account may have 9",
            "--service-code ec2 --quota-code L-1216C47A --desired-value 10",
        ),
    ],
)
def test_what_is_missing_comes_with_its_fix(ask, changed, what, fix):
    told = ask(**changed)
    assert any(what in line and fix in line for line in told), told


def test_a_quota_that_was_never_changed_is_the_one_of_all(ask):
    told = ask(
        GetServiceQuota="NoSuchResourceException",
        GetAWSDefaultServiceQuota=lambda given: quota(given["QuotaCode"], 0),
    )
    assert len(told) == 3


def test_what_the_environment_has_already_is_not_counted_twice(ask):
    tags = [{"Key": "application", "Value": "interlock"}, {"Key": "environment", "Value": "prod"}]
    assert not ask(
        DescribeVpcs={"Vpcs": [{"Tags": tags}] + [{}] * 4},
        DescribeAddresses={"Addresses": [{"Tags": tags}] + [{}] * 4},
        GetAccountSettings={
            "AccountLimit": {"ConcurrentExecutions": 150, "UnreservedConcurrentExecutions": 100}
        },
    )


OTHER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/platform-logs"
OWN_ROLE = f"arn:aws:iam::{ACCOUNT}:role/interlock-dev-api-ApiCloudWatchRole"


@pytest.mark.parametrize(
    ("role", "own", "what"),
    [
        (OTHER_ROLE, True, f"by {OTHER_ROLE}, in whose place the deployment would put its own"),
        (None, False, "API Gateway has no role to write logs by"),
        (OWN_ROLE, True, None),
        (OTHER_ROLE, False, None),
    ],
)
def test_the_logging_role_of_all_apis_is_not_taken_away(ask, role, own, what):
    environment = replace(KEPT, api_logging_role=own)
    told = ask(environment, GetAccount={"cloudwatchRoleArn": role} if role else {})
    assert [what in line for line in told] == ([True] if what else [])


def test_the_secret_of_a_provider_has_to_be_there(ask):
    environment = parse("dev", GOOD | {"certificate_arn": CERTIFICATE, "identity": PROVIDER})
    (told,) = ask(environment, DescribeSecret="ResourceNotFoundException")
    assert "the secret arn:aws:secretsmanager:" in told
    assert "fix: aws secretsmanager create-secret" in told


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ("NoSuchHostedZone", "the hosted zone Z2FDTNDATAQYW2 is not there"),
        (zone("other.dev."), "is of other.dev."),
        (zone("interlock.dev.", private=True), "is private"),
        (zone("interlock.dev."), None),
    ],
)
def test_the_zone_of_the_domain_has_to_be_there(ask, answer, what):
    environment = parse("dev", GOOD | {"domain": DOMAIN})
    told = ask(environment, GetHostedZone=answer)
    assert [what in line for line in told] == ([True] if what else [])


def test_credentials_of_another_account_are_the_only_finding(ask):
    (told,) = ask(GetCallerIdentity={"Account": "1" * 12, "Arn": "arn:aws:iam::1:user/eve"})
    assert "the credentials are of arn:aws:iam::1:user/eve" in told
    assert "set AWS_PROFILE" in told


def test_what_may_not_be_asked_is_told_and_the_rest_is_asked(ask):
    told = ask(DescribeVpcs="UnauthorizedOperation", GetParameter="ParameterNotFound")
    assert len(told) == 2
    assert any("could not be asked" in line and "allow DescribeVpcs" in line for line in told)


def test_without_credentials_it_says_how_to_sign_in(monkeypatch):
    def call(*_: object) -> None:
        raise NoCredentialsError

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    (told,) = preflight(KEPT, client_of)
    assert "fix: sign in (aws sso login) and set AWS_PROFILE" in told


def test_a_region_that_is_off_is_told(ask):
    told = ask(DescribeAvailabilityZones="AuthFailure")
    assert "aws account enable-region --region-name eu-central-1" in told[0]


def test_on_the_command_line_there_is_no_traceback(tmp_path):
    empty = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
    done = subprocess.run(
        [sys.executable, "-m", "stacks.preflight", "dev"],
        cwd=ROOT, env=empty, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "stands for your own" in done.stderr
    assert "Traceback" not in done.stderr


def test_its_exit_status_tells(monkeypatch, tmp_path, capsys):
    settings = tmp_path / "cdk.json"
    environments = {"dev": GOOD, "local": {**GOOD, "emulated": True}}
    settings.write_text(json.dumps({"context": {"environments": environments}}))
    monkeypatch.setattr("stacks.preflight.SETTINGS", settings)

    def call(_: BaseClient, operation: str, __: object) -> None:
        raise ClientError({"Error": {"Code": "ExpiredToken", "Message": "old"}}, operation)

    monkeypatch.setattr(BaseClient, "_make_api_call", call)
    assert main(["dev"]) == 1
    assert "fix: sign in" in capsys.readouterr().out
    assert main(["local"]) == 0
    assert main([]) == 2
    assert main(["staging"]) == 1
    assert "make preflight ENV=dev|local" in capsys.readouterr().err
