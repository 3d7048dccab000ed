"""Whatever computes gets the table in a variable, its grants, and the runtime where it can."""

import pathlib
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_autoscaling as autoscaling
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk.assertions import Template

from interlock.constructs import CoordinationTable, RuntimeLayer
from interlock.constructs.runtime_layer import runtimes
from interlock.errors import InvalidValue


@pytest.fixture
def stack(monkeypatch):
    monkeypatch.setenv("CDK_VALIDATION", "false")
    return cdk.Stack(cdk.App(context={"aws:cdk:bundling-stacks": []}), "Stack")


@pytest.fixture
def table(stack):
    return CoordinationTable(stack, "Table")


def function_in(stack, name="Function", runtime=lambda_.Runtime.PYTHON_3_13):
    return lambda_.Function(
        stack,
        name,
        runtime=runtime,
        handler="index.handler",
        code=lambda_.Code.from_inline("def handler(event, context): ..."),
    )


def only(stack, kind):
    (resource,) = Template.from_stack(stack).find_resources(kind).values()
    return resource["Properties"]


def leading_keys(stack):
    statements = [
        statement
        for policy in Template.from_stack(stack).find_resources("AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
    ]
    return [
        s["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        for s in statements
        if "ForAllValues:StringLike" in s.get("Condition", {})
    ]


def listed(value):
    return value if isinstance(value, list) else [value]


def test_a_function_gets_layer_variable_and_grants_in_one_statement(stack, table):
    table.attach_to(function_in(stack), locks=["orders/*"], counters=["visits"], once=["orders/*"])
    Template.from_stack(stack).resource_count_is("AWS::Lambda::LayerVersion", 1)
    made = only(stack, "AWS::Lambda::Function")
    assert made["Environment"]["Variables"] == {"INTERLOCK_TABLE": stack.resolve(table.table_name)}
    assert len(made["Layers"]) == 1
    found = {key for keys in leading_keys(stack) for key in listed(keys)}
    assert found == {
        "lock#orders/*",
        "counter#visits",
        "counter#visits#*",
        "once#orders/*",
    }


def test_attaching_again_adds_what_is_new_and_the_layer_once(stack, table):
    function = function_in(stack)
    table.attach_to(function, locks=["a"])
    table.attach_to(function, locks=["b"], layer=None)
    assert len(only(stack, "AWS::Lambda::Function")["Layers"]) == 1
    assert {key for keys in leading_keys(stack) for key in keys} == {
        *("lock#a", "lock#a#*", "lock#b", "lock#b#*")
    }


def test_another_table_needs_a_variable_of_its_own(stack, table):
    function, other = function_in(stack), CoordinationTable(stack, "Other")
    table.attach_to(function)
    with pytest.raises(ValueError, match=r"another table in INTERLOCK_TABLE.*variable="):
        other.attach_to(function)
    with pytest.raises(ValueError, match="variable is 'OTHER-TABLE'"):
        other.attach_to(function, variable="OTHER-TABLE")
    other.attach_to(function, variable="OTHER_TABLE")
    made = only(stack, "AWS::Lambda::Function")
    assert made["Environment"]["Variables"] == {
        "INTERLOCK_TABLE": stack.resolve(table.table_name),
        "OTHER_TABLE": stack.resolve(other.table_name),
    }
    assert len(made["Layers"]) == 1


def test_the_same_table_imported_is_the_same_table(stack):
    function = function_in(stack)
    for number in range(2):
        CoordinationTable.from_table_name(stack, f"Table{number}", "ours").attach_to(function)
    made = only(stack, "AWS::Lambda::Function")
    assert made["Environment"]["Variables"] == {"INTERLOCK_TABLE": "ours"}


def test_a_second_layer_is_refused(stack, table):
    function = function_in(stack)
    table.attach_to(function)
    with pytest.raises(ValueError, match="has the runtime already"):
        table.attach_to(function, layer=RuntimeLayer(stack, "Layer"))


def test_the_layer_takes_every_python_that_cdk_and_interlock_know():
    """An older CDK knows fewer, a newer one more."""
    known = {name for name in dir(lambda_.Runtime) if name.startswith("PYTHON_3_")}
    minors = {int(name.rpartition("_")[2]) for name in known}
    supported = {f"python3.{minor}" for minor in minors if minor >= 11}
    assert {runtime.to_string() for runtime in runtimes()} == supported
    assert {"python3.11", "python3.14"} <= supported


@pytest.mark.parametrize("runtime", runtimes(), ids=lambda runtime: runtime.to_string())
def test_a_function_of_every_such_runtime_takes_the_layer(stack, table, runtime):
    table.attach_to(function_in(stack, runtime=runtime))
    assert len(only(stack, "AWS::Lambda::Function")["Layers"]) == 1


def test_functions_of_one_runtime_share_a_layer(stack, table):
    for name, minor in (("A", 13), ("B", 13), ("C", 12)):
        table.attach_to(function_in(stack, name, getattr(lambda_.Runtime, f"PYTHON_3_{minor}")))
    Template.from_stack(stack).resource_count_is("AWS::Lambda::LayerVersion", 2)


def test_a_container_image_gets_no_layer(stack, table, tmp_path):
    (pathlib.Path(tmp_path) / "Dockerfile").write_text("FROM scratch\n")
    image = lambda_.DockerImageFunction(
        stack, "Image", code=lambda_.DockerImageCode.from_image_asset(str(tmp_path))
    )
    table.attach_to(image, locks=["a"])
    made = only(stack, "AWS::Lambda::Function")
    assert "Layers" not in made
    assert "INTERLOCK_TABLE" in made["Environment"]["Variables"]
    assert leading_keys(stack) == [["lock#a", "lock#a#*"]]
    with pytest.raises(ValueError, match="container image"):
        table.attach_to(image, layer=RuntimeLayer(stack, "Layer"))


@pytest.mark.parametrize("what", ["task", "container"])
def test_an_ecs_task_gets_variable_and_grants(stack, table, what):
    task = ecs.FargateTaskDefinition(stack, "Task")
    with pytest.raises(ValueError, match="no container yet"):
        table.attach_to(task)
    container = task.add_container("Main", image=ecs.ContainerImage.from_registry("example"))
    targets: dict[str, Any] = {"task": task, "container": container}
    table.attach_to(targets[what], locks=["a"])
    table.attach_to(task, locks=["b"])
    (definition,) = only(stack, "AWS::ECS::TaskDefinition")["ContainerDefinitions"]
    (variable,) = definition["Environment"]
    assert variable["Name"] == "INTERLOCK_TABLE"
    assert sum(map(len, leading_keys(stack))) == 4


@pytest.mark.parametrize("what", ["group", "instance", "template"])
def test_instances_get_the_variable_and_grants(what):
    kind: dict[str, Any] = {
        "instance_type": ec2.InstanceType("t4g.small"),
        "machine_image": ec2.MachineImage.generic_linux({"eu-central-1": "ami-1"}),
    }
    stack = cdk.Stack(
        cdk.App(), "There", env=cdk.Environment(account="1" * 12, region="eu-central-1")
    )
    table = CoordinationTable(stack, "Table")
    vpc = ec2.Vpc(stack, "Vpc", nat_gateways=0)
    public = ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC)
    role = iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("ec2.amazonaws.com"))
    targets: dict[str, Any] = {
        "group": lambda: autoscaling.AutoScalingGroup(
            stack, "Group", vpc=vpc, vpc_subnets=public, role=role, **kind
        ),
        "instance": lambda: ec2.Instance(
            stack, "Instance", vpc=vpc, vpc_subnets=public, role=role, **kind
        ),
        "template": lambda: ec2.LaunchTemplate(
            stack, "Template", role=role, user_data=ec2.UserData.for_linux(), **kind
        ),
    }
    target = targets[what]()
    for _ in range(2):
        table.attach_to(target, locks=["a"])
    template = Template.from_stack(stack).to_json()
    assert str(template).count(">> /etc/environment") == 1
    assert leading_keys(stack) == [["lock#a", "lock#a#*"]]


def test_what_is_imported_is_refused_with_the_way_out(stack, table):
    imported = lambda_.Function.from_function_arn(
        stack, "Imported", "arn:aws:lambda:eu-central-1:111122223333:function:f"
    )
    with pytest.raises(ValueError, match=r"cannot be given INTERLOCK_TABLE.*grant_"):
        table.attach_to(imported)


@pytest.mark.parametrize("parameter", ["locks", "counters", "once"])
def test_a_bare_string_is_refused_before_anything_is_changed(stack, table, parameter):
    function = function_in(stack)
    with pytest.raises(InvalidValue, match=rf"write {parameter}=\['orders/\*'\]"):
        table.attach_to(function, **{parameter: "orders/*"})
    assert "Environment" not in only(stack, "AWS::Lambda::Function")
