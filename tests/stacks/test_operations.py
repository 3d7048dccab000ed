"""docs/operations.md has an entry for each alarm, and counts what costs without a request."""

import re

import pytest

from tests.stacks.conftest import ROOT

DOCUMENT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
_HASH = re.compile(r"[0-9A-F]{8}$")


def runbook() -> set[str]:
    part = DOCUMENT.split("## Runbook\n")[1].split("\n## ")[0]
    return set(re.findall(r"^### (\w+)$", part, re.MULTILINE))


def test_every_alarm_has_its_entry_and_every_entry_its_alarm(synthesized):
    alarms = set()
    for stack, template in synthesized.templates.items():
        for logical_id, resource in template["Resources"].items():
            if resource["Type"] == "AWS::CloudWatch::Alarm":
                # cdk-monitoring-constructs names its alarms "<prefix>-<name>-Warning".
                name = resource["Properties"].get("AlarmName")
                alarms.add(name.split("-")[-2] if name else _HASH.sub("", logical_id))
                assert stack in {"Api", "Observability"}
    assert alarms == runbook()


def costs() -> dict[str, tuple[float, dict[str, float]]]:
    """Return the price of each thing, and how many there are, by the start of its row."""
    part = DOCUMENT.split("### At rest\n")[1].split("\n### ")[0]
    rows = re.findall(r"^\| ([^|*]+?) \| ([\d.]+) \| (\d+) \| (\d+) \|$", part, re.MULTILINE)
    return {
        re.split("[,:]", what)[0]: (float(each), {"dev": int(dev), "prod": int(prod)})
        for what, each, dev, prod in rows
    }


def test_what_costs_at_rest_is_counted(real):
    def count(kind):
        return len(real.of_type(f"AWS::{kind}"))

    (group,) = real.of_type("AWS::AutoScaling::AutoScalingGroup").values()
    (template,) = real.of_type("AWS::EC2::LaunchTemplate").values()
    instance_type = template["LaunchTemplateData"]["InstanceType"]
    (balancer,) = real.of_type("AWS::ElasticLoadBalancingV2::LoadBalancer").values()
    acls = real.of_type("AWS::WAFv2::WebACL").values()
    assert {len(acl["Rules"]) for acl in acls} == {4}
    there = {
        "NAT gateway": count("EC2::NatGateway"),
        "public IPv4 address": count("EC2::EIP") + len(balancer["Subnets"]),
        "load balancer": 1,
        "t4g.small": int(group["MinSize"]) if instance_type == "t4g.small" else 0,
        "t4g.medium": int(group["MinSize"]) if instance_type == "t4g.medium" else 0,
        "firewall": len(acls),
        "KMS key": count("KMS::Key"),
        "private zone of the instances' namespace (Cloud Map)": count(
            "ServiceDiscovery::PrivateDnsNamespace"
        ),
        "alarm": count("CloudWatch::Alarm"),
        "dashboard": count("CloudWatch::Dashboard"),
    }
    assert {what: by_name[real.name] for what, (_, by_name) in costs().items()} == there


@pytest.mark.parametrize(("name", "column"), [("dev", 1), ("prod", 2)])
def test_the_total_is_the_sum(name, column):
    (total,) = re.findall(r"^\| \*\*total.*$", DOCUMENT, re.MULTILINE)
    said = re.findall(r"\*\*([\d.]+)\*\*", total)[column - 1]
    sum_of_all = sum(each * counts[name] for each, counts in costs().values())
    assert float(said) == pytest.approx(sum_of_all, abs=0.005)
