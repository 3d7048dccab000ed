"""Who may deploy, and what a deployment may do."""

import json
import re
from fnmatch import fnmatchcase

import aws_cdk as cdk
import pytest
import yaml  # type: ignore[import-untyped]
from aws_cdk.assertions import Template

from stacks.execution_policy import NETWORK, PASSED_TO, SERVICES, execution_policy
from stacks.pipeline import ISSUER, RepositoryRefused, pipeline
from tests.stacks.conftest import ROOT, context
from tests.stacks.policies import rendered, statements

WORKFLOW = ROOT / ".github" / "workflows" / "deploy.yml"
# Of types whose service has another name in actions.
NAMES = {
    "apigateway": "apigateway",
    "applicationautoscaling": "application-autoscaling",
    "cognito": "cognito-idp",
    "elasticloadbalancingv2": "elasticloadbalancing",
}
ELSEWHERE = {"ec2", "iam", "s3"}  # confined by statements of their own


@pytest.fixture(scope="module")
def template():
    app = cdk.App(context={**context("prod"), "repository": "octo-org/interlock"})
    return Template.from_stack(pipeline(app)).to_json()


def roles(template):
    return {
        re.sub(r"[0-9A-F]{8}$", "", name): resource["Properties"]
        for name, resource in template["Resources"].items()
        if resource["Type"] == "AWS::IAM::Role"
    }


def test_only_jobs_of_one_environment_of_one_repository_take_a_role(template):
    subjects = {}
    for name, role in roles(template).items():
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
        condition = statement["Condition"]
        assert condition.keys() == {"StringEquals"}  # no pattern
        assert condition["StringEquals"][f"{ISSUER}:aud"] == "sts.amazonaws.com"
        subjects[name] = condition["StringEquals"][f"{ISSUER}:sub"]
    assert subjects == {
        "Deployer": "repo:octo-org/interlock:environment:prod",
        "Reviewer": "repo:octo-org/interlock:environment:prod-diff",
    }


def policies(template):
    return [each for each in statements({"Pipeline": template}) if each.kind == "AWS::IAM::Policy"]


def test_only_the_deployer_protects_the_stacks_that_keep_data(template):
    (setting,) = (
        each for each in policies(template) if "cloudformation:SetStackPolicy" in each.actions
    )
    assert setting.place == "Pipeline/DeployerDefaultPolicy"
    assert set(setting.actions) == {
        "cloudformation:DescribeStacks",
        "cloudformation:SetStackPolicy",
    }
    assert [arn.partition(":stack/")[2] for arn in setting.resources] == [
        "interlock-prod-data/*",
        "interlock-prod-identity/*",
        "interlock-prod-records/*",
    ]


def test_else_the_roles_do_nothing_but_assume_what_bootstrap_made(template):
    found = {}
    for statement in policies(template):
        if "cloudformation:SetStackPolicy" not in statement.actions:
            assert statement.actions == ["sts:AssumeRole"]
            kinds = re.findall(r"cdk-hnb659fds-(\S+?)-role", " ".join(statement.resources))
            found[statement.place] = set(kinds)
            assert not [each for each in statement.resources if "*" in each]
    assert found == {
        "Pipeline/DeployerDefaultPolicy": {
            "deploy",
            "file-publishing",
            "image-publishing",
            "lookup",
        },
        "Pipeline/ReviewerDefaultPolicy": {"lookup"},
    }


@pytest.mark.parametrize("name", [None, "", "interlock", "a/b/c", "a/*", "a b/c", "a/b:ref", 7])
def test_a_repository_that_is_none_is_refused(name):
    given = context("dev") if name is None else {**context("dev"), "repository": name}
    with pytest.raises(RepositoryRefused, match="use -c repository=OWNER/NAME"):
        pipeline(cdk.App(context=given))


def services_of(made):
    kinds = {
        resource["Type"].split("::")[1].lower()
        for template in made.templates.values()
        for resource in template["Resources"].values()
        if resource["Type"].startswith("AWS::")
    }
    return {NAMES.get(kind, kind) for kind in kinds} - ELSEWHERE


def test_the_policy_of_deployments_names_each_service_that_templates_use_and_no_other(
    synthesized_once,
):
    needed = services_of(synthesized_once("prod"))
    needed |= services_of(synthesized_once("prod", compute="containers"))
    needed |= services_of(synthesized_once("dev"))
    assert needed - set(SERVICES) == set()
    # `backup-storage` is asked for by each backup vault; it has no type of its own.
    assert set(SERVICES) - needed == {"acm", "backup-storage", "route53"}


def test_roles_are_handed_on_to_those_services_alone_that_templates_trust(synthesized_once):
    trusted = set()
    for compute in ("instances", "containers"):
        made = synthesized_once("prod", compute=compute)
        for statement in statements(dict(made.templates)):
            if "sts:AssumeRole" in statement.actions:
                trusted.add(rendered(statement.body["Principal"]["Service"]))
    assert trusted - set(PASSED_TO) == set()
    assert set(PASSED_TO) - trusted == set()


def policy():
    return {each["Sid"]: each for each in execution_policy()["Statement"]}


def test_no_statement_of_it_gives_everything():
    for statement in policy().values():
        for action in statement["Action"]:
            assert action not in {"*", "iam:*", "ec2:*", "sts:*", "organizations:*"}
    assert "Terminate*" not in NETWORK


@pytest.mark.parametrize(
    "action",
    [
        "iam:CreateUser",
        "iam:CreateAccessKey",
        "iam:UpdateAccountPasswordPolicy",
        "organizations:LeaveOrganization",
        "sts:AssumeRole",
        "ec2:TerminateInstances",
    ],
)
def test_what_no_template_needs_is_not_allowed_on_anything(action):
    for statement in policy().values():
        if any(fnmatchcase(action, pattern) for pattern in statement["Action"]):
            # Allowed by a pattern of actions, on roles and policies of our own name alone.
            assert all(":iam::*:" in each for each in statement["Resource"])


def test_roles_are_made_below_our_own_name_alone():
    for name in ("Roles", "HandedOn"):
        assert all(each.split("/")[1] == "interlock-*" for each in policy()[name]["Resource"])
    passing = [name for name, each in policy().items() if _allows(each, "iam:PassRole")]
    assert passing == ["HandedOn"]


def _allows(statement, action):
    return any(fnmatchcase(action, pattern) for pattern in statement["Action"])


def test_the_policy_is_of_the_partition_that_is_asked_for():
    every = [
        resource
        for each in execution_policy("aws-eusc")["Statement"]
        for resource in each["Resource"]
    ]
    assert {arn.split(":")[1] for arn in every if arn != "*"} == {"aws-eusc"}


def test_the_policy_fits_into_one_managed_policy():
    assert len(json.dumps(execution_policy(), separators=(",", ":"))) <= 6144


def test_the_workflow_asks_before_prod_and_stores_no_key():
    text = WORKFLOW.read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["jobs"]
    assert "secrets." not in text
    assert "aws-access-key-id" not in text
    assert {name: job.get("environment") for name, job in jobs.items()} == {
        "test": None,
        "dev": "dev",
        "prod-diff": "prod-diff",
        "prod": "prod",
    }
    assert [jobs[name]["needs"] for name in ("dev", "prod-diff", "prod")] == [
        "test",
        "dev",
        "prod-diff",
    ]
    for name, job in jobs.items():
        assert ("id-token" in job["permissions"]) is (name != "test")


def test_what_synthesizes_for_an_account_has_the_functions_python_to_compile_by(real):
    """Else prod would be deployed without the bytecode that dev has, or the other way round."""
    functions = real.of_type("AWS::Lambda::Function").values()
    runtimes = {function["Runtime"] for function in functions if "python" in function["Runtime"]}
    assert runtimes
    ours = (ROOT / ".python-version").read_text(encoding="utf-8").strip()
    jobs = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))["jobs"]
    for name in ("dev", "prod-diff", "prod"):
        (given,) = (
            step["with"]["python-version"].split()
            for step in jobs[name]["steps"]
            if "setup-python" in step.get("uses", "")
        )
        assert given[-1] == ours, name  # the last one is what `python` is
        assert runtimes <= {f"python{version}" for version in given}, name
