"""The service in containers: as narrow as the instances, and rolled back when it does not start."""

import json
import re

import aws_cdk as cdk
import pytest
from syrupy.extensions.json import JSONSnapshotExtension

from stacks.application import Application
from stacks.archive import DOCKERFILE
from tests.stacks.conftest import REAL, context
from tests.stacks.policies import rendered, statements
from tests.stacks.test_lint import cfn_lint, templates
from tests.stacks.test_permissions import REASONS, wildcards
from tests.stacks.test_policy import STRICT, judge
from tests.stacks.test_snapshots import normalized

# What the containers leave open beside what is explained for all.
OWN = {
    ("Service/GroupTaskExecutionRoleDefaultPolicy", "*"): "ecr:GetAuthorizationToken has none",
    (
        "Network/VpcS3",
        "arn:aws:s3:::prod-eu-central-1-starport-layer-bucket/*",
    ): "the layers of images, to which ECR hands out links",
}


@pytest.fixture(scope="module", params=REAL)
def contained(request, synthesized_once):
    """Each environment that is deployed to AWS, with containers."""
    return synthesized_once(request.param, compute="containers")


def only(found):
    (one,) = found.values()
    return one


@pytest.mark.parametrize("stack", ["Network", "Service"])
def test_template_is_as_it_was_accepted(contained, stack, snapshot):
    found = normalized(contained.templates[stack])
    assert found == snapshot.use_extension(JSONSnapshotExtension)


@pytest.mark.slow
@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_no_pack_of_rules_finds_anything_that_is_not_answered(environment, tmp_path, monkeypatch):
    monkeypatch.delenv("CDK_VALIDATION", raising=False)
    given = {**context(environment), **STRICT, "compute": "containers"}
    app = cdk.App(context=given, outdir=str(tmp_path))
    Application(app)
    report = judge(app, tmp_path)
    assert (report.unanswered, report.stale) == (frozenset(), frozenset())


@pytest.mark.slow
def test_cfn_lint_has_no_finding(contained):
    result = cfn_lint(templates(contained.assembly))
    assert (result.returncode, result.stdout) == (0, "")


def test_every_wildcard_has_a_reason(contained):
    found = wildcards(contained.templates)
    assert found - REASONS.keys() == OWN.keys()


def test_no_machine_is_left(contained):
    kinds = {
        resource["Type"]
        for template in contained.templates.values()
        for resource in template["Resources"].values()
    }
    assert not [kind for kind in kinds if kind.startswith("AWS::AutoScaling::")]
    assert "AWS::EC2::LaunchTemplate" not in kinds


def test_a_deployment_that_does_not_become_healthy_is_rolled_back(contained):
    service = only(contained.of_type("AWS::ECS::Service"))
    deployment = service["DeploymentConfiguration"]
    assert deployment["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert deployment["MinimumHealthyPercent"] == 100
    assert service["EnableExecuteCommand"] is False
    network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network["AssignPublicIp"] == "DISABLED"


def test_the_container_runs_as_nobody_and_writes_nowhere(contained):
    task = only(contained.of_type("AWS::ECS::TaskDefinition"))
    (container,) = task["ContainerDefinitions"]
    assert container["ReadonlyRootFilesystem"] is True
    user = re.search(r"^USER (\S+)$", DOCKERFILE.read_text(), re.MULTILINE)
    assert user is not None
    assert container["User"] == user[1] == "10001:10001"
    assert container["HealthCheck"]["Command"] == ["CMD", "python3", "-m", "server.probe"]
    assert container["LogConfiguration"]["LogDriver"] == "awslogs"
    assert not container.get("Privileged")


def test_the_container_hears_where_its_key_is_and_never_the_key(contained):
    task = only(contained.of_type("AWS::ECS::TaskDefinition"))
    variables = {
        each["Name"]: rendered(each["Value"])
        for each in task["ContainerDefinitions"][0]["Environment"]
    }
    assert "INTERLOCK_API_KEY" not in variables
    assert variables.keys() >= {
        "INTERLOCK_API_KEY_ID",
        "INTERLOCK_API_URL",
        "INTERLOCK_PORT",
        "INTERLOCK_TABLE",
    }
    identified = contained.name == "prod"
    assert ("INTERLOCK_SIGNER" in variables) is identified


def test_logs_are_encrypted(contained):
    groups = contained.of_type("AWS::Logs::LogGroup", "Service").values()
    assert groups
    assert all("KmsKeyId" in group for group in groups)


def test_tasks_may_do_what_instances_may_and_fetch_nothing(contained, synthesized_once):
    """But for what a machine needs: its archive, and the agent that sessions are opened by."""

    def allowed(made, place):
        return {
            (action, resource)
            for statement in statements({"Service": made.templates["Service"]})
            if statement.place.startswith(place)
            for action in statement.actions
            for resource in statement.resources
        }

    tasks = allowed(contained, "Service/GroupRole")
    instances = allowed(synthesized_once(contained.name), "Service/GroupRole")
    assert tasks <= instances
    surplus = {action for action, _ in instances - tasks}
    assert surplus == {
        "cloudformation:SignalResource",  # of an instance's set-up
        "elasticloadbalancing:DescribeTargetHealth",  # which ECS asks for by itself
        "logs:CreateLogStream",  # a task's log is written by ECS
        "logs:PutLogEvents",
        "s3:GetObject",
        "servicediscovery:DeregisterInstance",  # ECS registers its tasks
        "servicediscovery:RegisterInstance",
    }
    role = only(
        {
            name: each
            for name, each in contained.of_type("AWS::IAM::Role", "Service").items()
            if "GroupRole" in name
        }
    )
    assert len(role["ManagedPolicyArns"]) == 1  # to call the API; no agent


def test_both_computes_grow_by_the_same_targets(contained, synthesized_once):
    def targets(found, configuration):
        return sorted(
            (policy[configuration].get("TargetValue"), kind["PredefinedMetricType"])
            for policy in found.values()
            for kind in [
                policy[configuration].get("PredefinedMetricSpecification")
                or policy[configuration]["PredefinedMetricSpecification"]
            ]
        )

    ours = targets(
        contained.of_type("AWS::ApplicationAutoScaling::ScalingPolicy"),
        "TargetTrackingScalingPolicyConfiguration",
    )
    theirs = targets(
        synthesized_once(contained.name).of_type("AWS::AutoScaling::ScalingPolicy"),
        "TargetTrackingConfiguration",
    )
    assert [value for value, _ in ours] == [value for value, _ in theirs] == [60, 3000]
    assert {kind for _, kind in ours} == {
        "ECSServiceAverageCPUUtilization",
        "ALBRequestCountPerTarget",
    }
    scaled = only(contained.of_type("AWS::ApplicationAutoScaling::ScalableTarget"))
    group = only(synthesized_once(contained.name).of_type("AWS::AutoScaling::AutoScalingGroup"))
    assert [scaled["MinCapacity"], scaled["MaxCapacity"]] == [
        int(group["MinSize"]),
        int(group["MaxSize"]),
    ]


def test_the_image_is_built_from_what_an_instance_unpacks(tmp_path, monkeypatch):
    monkeypatch.setenv("CDK_VALIDATION", "false")
    written = []
    monkeypatch.setattr(
        "stacks.bundle.write_image_context", lambda *given: written.append(given[1])
    )
    given = {**context("dev"), "compute": "containers"}
    del given["aws:cdk:bundling-stacks"]
    monkeypatch.setattr("stacks.bundle.write_archive", lambda *_: None)
    with pytest.raises(RuntimeError, match="Dockerfile"):  # which the real one writes
        Application(cdk.App(context=given, outdir=str(tmp_path)))
    assert written == ["aarch64-manylinux_2_28"]


def test_on_one_machine_the_image_is_the_one_that_was_built_there(synthesized_once):
    local = synthesized_once("local", compute="containers")
    task = only(local.of_type("AWS::ECS::TaskDefinition"))
    assert task["ContainerDefinitions"][0]["Image"] == "localhost/interlock-service:local"
    assert json.dumps(local.templates).count("AWS::ApplicationAutoScaling") == 2  # as left out
