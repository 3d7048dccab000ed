"""A reader's template changes when what it reads is replaced, and not with every release."""

import copy
import importlib
import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ssm as ssm

from stacks.following import READS, REPLACED_BY, digests, synthesize
from tests.stacks.test_references import references


def read_of(stack, name):
    return {"Fn::GetStackOutput": {"StackName": stack, "OutputName": name}}


TEMPLATES: dict[str, Any] = {
    "network": {
        "Resources": {
            "Address": {"Type": "AWS::EC2::EIP", "Properties": {"Domain": "vpc"}},
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
            "Group": {
                "Type": "AWS::EC2::SecurityGroup",
                "Properties": {"GroupDescription": "one", "VpcId": {"Ref": "Vpc"}},
            },
        },
        "Outputs": {
            "Ip": {"Value": {"Fn::GetAtt": ["Address", "PublicIp"]}},
            "GroupId": {"Value": {"Fn::GetAtt": "Group.GroupId"}},
            "Text": {"Value": {"Fn::Sub": "at ${Address.PublicIp} in ${AWS::Region}"}},
        },
    },
    "api": {
        "Resources": {
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {"Code": {"S3Key": "one"}, "Environment": read_of("network", "Ip")},
            },
            "Link": {"Type": "AWS::X::Link", "Properties": {"To": read_of("network", "GroupId")}},
        },
        "Outputs": {"Name": {"Value": {"Ref": "Function"}}, "Link": {"Value": {"Ref": "Link"}}},
    },
    "service": {
        "Resources": {
            "OfAddress": {"Type": "T", "Properties": {"Value": read_of("network", "Ip")}},
            "OfText": {"Type": "T", "Properties": {"Value": read_of("network", "Text")}},
            "OfGroup": {"Type": "T", "Properties": {"Value": [read_of("network", "GroupId")]}},
            "OfFunction": {"Type": "T", "Properties": {"Value": read_of("api", "Name")}},
            "OfLink": {"Type": "T", "Properties": {"Value": read_of("api", "Link")}},
            "OfNothing": {"Type": "T", "Properties": {"Value": {"Ref": "OfText"}}},
        }
    },
}


def changed(stack, logical_id, **properties):
    """Return which resources of the service follow when properties of another stack change."""
    after = copy.deepcopy(TEMPLATES)
    after[stack]["Resources"][logical_id]["Properties"] |= properties
    old, new = digests("service", TEMPLATES), digests("service", after)
    assert old.keys() == new.keys() == TEMPLATES["service"]["Resources"].keys() - {"OfNothing"}
    return {name for name, digest in new.items() if digest != old[name]}


def test_an_address_that_is_replaced_changes_what_reads_it_and_nothing_else():
    assert changed("network", "Address", Domain="standard") == {"OfAddress", "OfText"}


def test_what_a_replaced_resource_is_made_of_counts_too_in_other_stacks_as_well():
    assert changed("network", "Group", GroupDescription="two") == {"OfGroup", "OfLink"}
    assert changed("network", "Vpc", CidrBlock="10.1.0.0/16") == {"OfGroup", "OfLink"}


def test_new_code_changes_no_reader_and_another_name_does():
    assert changed("api", "Function", Code={"S3Key": "two"}) == set()
    assert changed("api", "Function", FunctionName="other") == {"OfFunction"}


@pytest.mark.parametrize("kind", sorted(REPLACED_BY))
def test_what_replaces_the_types_that_are_known_is_what_their_schema_says(kind):
    # Much to load, which each worker that only collects would do.
    schemas = importlib.import_module("cfnlint.schema").PROVIDER_SCHEMA_MANAGER
    schema = schemas.get_resource_schema("us-east-1", kind).schema
    replacing = ("createOnlyProperties", "conditionalCreateOnlyProperties")
    named = {path.split("/")[2] for each in replacing for path in schema.get(each, ())}
    assert named <= REPLACED_BY[kind]


def resources_of(assembly, stack):
    return json.loads((assembly / f"{stack}.template.json").read_text("utf-8"))["Resources"]


def test_an_app_that_follows_notes_what_it_reads(tmp_path, monkeypatch):
    monkeypatch.setenv("CDK_VALIDATION", "false")
    noted = []
    for words in ("one", "one", "two"):
        weak = {"@aws-cdk/core:defaultCrossStackReferences": "weak"}
        app = cdk.App(context=weak, outdir=str(tmp_path))
        group = ec2.CfnSecurityGroup(cdk.Stack(app, "Network"), "Group", group_description=words)
        reader = cdk.Stack(app, "Service")
        ssm.CfnParameter(reader, "Reader", type="String", value=group.attr_group_id)
        ssm.CfnParameter(reader, "Other", type="String", value="constant")
        synthesize(app)
        made = resources_of(tmp_path, "Service")
        assert READS not in made["Other"].get("Metadata", {})
        noted.append(made["Reader"]["Metadata"][READS])
    assert noted[0] == noted[1] != noted[2]


def test_every_reader_of_the_application_follows(synthesized):
    by_name = {
        f"interlock-{synthesized.name}-{stack.lower()}": template
        for stack, template in synthesized.templates.items()
    }
    reading = {stack for stack, _ in references(synthesized)}
    for stack, template in synthesized.templates.items():
        found = digests(f"interlock-{synthesized.name}-{stack.lower()}", by_name)
        assert bool(found) == (stack in reading)
        reads = {
            name
            for name, resource in template["Resources"].items()
            if "Fn::GetStackOutput" in json.dumps(resource)
        }
        assert found.keys() == reads
