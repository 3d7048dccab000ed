"""Have stacks follow what they read of others: what is replaced there is deployed again here.

A stack reads the outputs of others by name (`Fn::GetStackOutput`), and CloudFormation resolves them
only when it updates that stack. A security group or an address that is replaced keeps the name of
its output, so nothing would say that its readers must be updated. Each resource that reads has a
digest of what the other stacks say of what it reads in its metadata: when that changes, the same
deployment updates the resource, after the stack that it reads of.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import aws_cdk as cdk
from aws_cdk import cx_api

READS = "interlock:reads"
"""The key of the digest in a resource's metadata."""

REPLACED_BY: Mapping[str, frozenset[str]] = {
    "AWS::ApiGateway::RestApi": frozenset(),
    "AWS::ApiGateway::Stage": frozenset({"RestApiId", "StageName"}),
    "AWS::Lambda::Function": frozenset(
        {"DurableConfig", "FunctionName", "PackageType", "TenancyConfig"}
    ),
}
"""Types that change with every release, and those of their properties that replace one.

Of all other types each property counts: an update too many changes nothing.
"""

_VARIABLE = re.compile(r"\$\{([A-Za-z0-9]+)[.}]")

Template = Mapping[str, Any]


@dataclass(frozen=True)
class _Output:
    stack: str
    name: str


@dataclass(frozen=True)
class _Resource:
    stack: str
    name: str


def synthesize(app: cdk.App) -> cx_api.CloudAssembly:
    """Synthesize an app whose stacks follow each other."""
    assembly = app.synth(skip_validation=True)  # to learn who reads what; the second one validates
    templates = {
        stack.stack_name: json.loads(Path(stack.template_full_path).read_text(encoding="utf-8"))
        for stack in assembly.stacks
    }
    for child in app.node.children:
        if cdk.Stack.is_stack(child):
            stack = cast("cdk.Stack", child)
            _note(stack, digests(stack.stack_name, templates))
    return app.synth(force=True)


def digests(stack: str, templates: Mapping[str, Template]) -> dict[str, str]:
    """Return the digest of what each resource of a stack reads of others, by its logical id."""
    found = {}
    for logical_id, resource in templates[stack]["Resources"].items():
        read = {part for part in _references(stack, resource) if isinstance(part, _Output)}
        if read:
            said = sorted(json.dumps(each, sort_keys=True) for each in _said(read, templates))
            found[logical_id] = hashlib.sha256("\n".join(said).encode()).hexdigest()[:16]
    return found


def _note(stack: cdk.Stack, found: Mapping[str, str]) -> None:
    if not found:
        return
    for node in stack.node.find_all():
        if cdk.CfnResource.is_cfn_resource(node):
            resource = cast("cdk.CfnResource", node)
            digest = found.get(stack.resolve(resource.logical_id))
            if digest is not None:
                resource.add_metadata(READS, digest)


def _said(read: set[_Output], templates: Mapping[str, Template]) -> Iterator[Any]:
    """Yield what templates say of outputs, and of all that these are made of."""
    waiting: list[_Output | _Resource] = list(read)
    seen = set(waiting)
    while waiting:
        part = waiting.pop()
        template = templates.get(part.stack, {})
        if isinstance(part, _Output):
            definition = template.get("Outputs", {}).get(part.name, {}).get("Value")
        else:
            resource = template.get("Resources", {}).get(part.name)
            if resource is None:
                continue  # a parameter, or a value of AWS's own
            definition = {"Type": resource["Type"], "Properties": _counting(resource)}
        yield [part.stack, part.name, definition]
        new = set(_references(part.stack, definition)) - seen
        seen |= new
        waiting += new


def _counting(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    properties: Mapping[str, Any] = resource.get("Properties", {})
    replacing = REPLACED_BY.get(resource["Type"])
    if replacing is None:
        return properties
    return {name: value for name, value in properties.items() if name in replacing}


def _references(stack: str, node: Any) -> Iterator[_Output | _Resource]:
    """Yield what a part of a template refers to, in its own stack and in others."""
    if isinstance(node, list):
        for part in node:
            yield from _references(stack, part)
    if not isinstance(node, dict):
        return
    for name, value in node.items():
        if name == "Ref":
            yield _Resource(stack, value)
        elif name == "Fn::GetAtt":
            yield _Resource(stack, value[0] if isinstance(value, list) else value.split(".")[0])
        elif name == "Fn::Sub":
            text = value[0] if isinstance(value, list) else value
            yield from (_Resource(stack, each) for each in _VARIABLE.findall(text))
        elif name == "Fn::GetStackOutput":
            yield _Output(value["StackName"], value["OutputName"])
        yield from _references(stack, value)
