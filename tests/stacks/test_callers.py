"""Machines are confined to routes, by the same roles as people."""

import json
from fnmatch import fnmatchcase

import pytest

from server.roles import Role, needed
from stacks.callers import CHANGES, EVERYTHING, READS
from tests.stacks.conftest import ROOT

POLICIES = {Role.VIEWER: READS, Role.OPERATOR: CHANGES, Role.ADMINISTRATOR: EVERYTHING}


def operations():
    document = json.loads((ROOT / "lambda" / "counters" / "openapi.json").read_text("utf-8"))
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if "operationId" in operation:
                yield method.upper(), path.replace("{name}", "a")


def allows(routes, method, path):
    """Tell what IAM would: its * stands for any characters, slashes among them."""
    return any(fnmatchcase(method, m) and fnmatchcase(path, p) for m, p in routes)


@pytest.mark.parametrize("role", Role)
def test_a_policy_allows_what_people_of_its_role_may_do_and_nothing_more(role):
    found = {each for each in operations() if allows(POLICIES[role], *each)}
    wanted = {
        (method, path)
        for method, path in operations()
        if needed(method, f"/api{path}".encode()) <= role
    }
    assert found == wanted
    assert found


def test_the_policies_are_there_to_be_attached(real):
    outputs = real.templates["Api"]["Outputs"]
    for name in ("ReadPolicyArn", "ChangePolicyArn"):
        logical_id = outputs[name]["Value"]["Ref"]
        assert real.templates["Api"]["Resources"][logical_id]["Type"] == "AWS::IAM::ManagedPolicy"
