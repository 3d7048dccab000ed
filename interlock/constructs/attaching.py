"""Attach a table to what computes: by an environment variable, and for a function the runtime."""

import json
import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, TypeAlias, cast

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_

from interlock.constructs.runtime_layer import RuntimeLayer

if TYPE_CHECKING:
    # Each of these modules takes as long to load as the rest; who has a target has loaded it.
    from aws_cdk import aws_autoscaling as autoscaling
    from aws_cdk import aws_ec2 as ec2
    from aws_cdk import aws_ecs as ecs

    Target: TypeAlias = (
        lambda_.Function
        | ecs.TaskDefinition
        | ecs.ContainerDefinition
        | autoscaling.AutoScalingGroup
        | ec2.Instance
        | ec2.LaunchTemplate
    )

_VARIABLE = "interlock:variable"  # metadata of a target: what was put into which variable
_LAYER = "interlock:layer"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]+")  # as Lambda has it


def checked_target(target: "Target") -> "Target":
    """Return a construct, or raise `ValueError`."""
    if not hasattr(target, "node"):
        raise ValueError(
            f"target is {target!r}: give a Lambda function, an ECS task or container definition, "
            "an instance, launch template or Auto Scaling group"
        )
    return target


def install(
    target: "Target",
    variable: str,
    values: Mapping[str, str],
    layer: lambda_.ILayerVersion | None,
) -> iam.IGrantable:
    """Give a target a variable, and a function that is no container the layer, each once.

    `values` are that of the variable, and those of others that go with it. Returns to whom grants
    go. Raises `ValueError` for a variable that has another value already or cannot be called so,
    for a second layer, and for what cannot be given a variable.
    """
    if not _NAME.fullmatch(variable):
        raise ValueError(f"variable is {variable!r}: give a name such as INTERLOCK_TABLE")
    if isinstance(target, lambda_.Function):
        for name, value in _new(target, variable, values):
            target.add_environment(name, value)
        _add_layer(target, layer)
        return target
    if layer is not None:
        raise ValueError(f"layer is given, and {target.node.path} is no function: leave it out")
    if hasattr(target, "task_definition"):
        container = cast("ecs.ContainerDefinition", target)
        for name, value in _new(container, variable, values):
            container.add_environment(name, value)
        return container.task_definition.task_role
    if hasattr(target, "default_container"):
        return install(
            _default_container(cast("ecs.TaskDefinition", target)), variable, values, None
        )
    user_data = getattr(target, "user_data", None)
    if user_data is None:
        raise ValueError(
            f"{target.node.path} cannot be given {variable}: pass a function, an ECS task or "
            "container definition, an instance, launch template or group that this app makes, or "
            "give what you imported its grants by the grant_... methods"
        )
    machine = cast("autoscaling.AutoScalingGroup", target)
    for name, value in _new(machine, variable, values):
        # Read by logins; a systemd unit takes it by EnvironmentFile=/etc/environment.
        user_data.add_commands(f"echo '{name}={value}' >> /etc/environment")
    return machine


def _default_container(task: "ecs.TaskDefinition") -> "ecs.ContainerDefinition":
    container = task.default_container
    if container is None:
        raise ValueError(f"{task.node.path} has no container yet: add it before attach_to")
    return container


def _new(target: "Target", variable: str, values: Mapping[str, str]) -> Collection[tuple[str, str]]:
    """Note what a variable and those beside it are given; return them if it is the first time."""
    wanted = json.dumps(Stack.of(target).resolve([*values.values()]), sort_keys=True)
    noted = {
        str(entry.data).partition("=")[0]: str(entry.data).partition("=")[2]
        for entry in target.node.metadata
        if entry.type == _VARIABLE
    }
    if variable not in noted:
        target.node.add_metadata(_VARIABLE, f"{variable}={wanted}")
        return values.items()
    if noted[variable] != wanted:
        raise ValueError(
            f"{target.node.path} has another table in {variable}, or another layout of it: give "
            "this one a variable of its own, attach_to(..., variable='...')"
        )
    return ()


def _add_layer(function: lambda_.Function, layer: lambda_.ILayerVersion | None) -> None:
    if function.runtime.to_string() == lambda_.Runtime.FROM_IMAGE.to_string():
        if layer is not None:
            raise ValueError(
                f"layer is given, and {function.node.path} is a container image, which has none: "
                "install interlock into the image"
            )
        return
    attached = [str(entry.data) for entry in function.node.metadata if entry.type == _LAYER]
    if attached and (layer is None or layer.node.path in attached):
        return
    if attached:
        raise ValueError(f"{function.node.path} has the runtime already, by {attached[0]}")
    added = layer or RuntimeLayer.of(function)
    function.add_layers(added)
    function.node.add_metadata(_LAYER, added.node.path)
