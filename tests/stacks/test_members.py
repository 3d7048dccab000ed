"""Members find each other by Cloud Map, and sign hints by a key that is in no template."""

import pytest

from tests.stacks.policies import rendered, statements

COMPUTES = {"instances": {}, "containers": {"compute": "containers"}}

# What one kind replaces is there until then, under another name.
KINDS = {"instances": "instances", "containers": "tasks"}


@pytest.fixture(
    params=[
        pytest.param((name, compute), id=f"{name}-{compute}")
        for name in ("dev", "prod")
        for compute in COMPUTES
    ]
)
def made(request, synthesized_once):
    """Each environment that is deployed to AWS, with each compute."""
    name, compute = request.param
    return compute, synthesized_once(name, **COMPUTES[compute])


def only(found):
    (one,) = found.values()
    return one


def allowed(synthesized, *services):
    """Return what the service's role may do of some services: action to (resource, condition)."""
    return {
        action: (statement.resources, statement.body.get("Condition"))
        for statement in statements({"Service": synthesized.templates["Service"]})
        if statement.place.startswith("Service/GroupRole")
        for action in statement.actions
        if action.partition(":")[0] in services
    }


def told(compute, synthesized):
    """Return what the service is told of its members, as text."""
    if compute == "containers":
        task = only(synthesized.of_type("AWS::ECS::TaskDefinition"))
        container = task["ContainerDefinitions"][0]
        return "\n".join(
            f"{each['Name']}={rendered(each['Value'])}" for each in container["Environment"]
        )
    template = only(synthesized.of_type("AWS::EC2::LaunchTemplate"))
    return rendered(template["LaunchTemplateData"]["UserData"]["Fn::Base64"])


def test_the_namespace_is_of_this_environment_and_its_vpc(made):
    _, synthesized = made
    namespace = only(synthesized.of_type("AWS::ServiceDiscovery::PrivateDnsNamespace"))
    assert namespace["Name"] == f"{synthesized.name}.interlock.internal"
    assert "Vpc" in rendered(namespace["Vpc"])
    assert not synthesized.of_type("AWS::ServiceDiscovery::PublicDnsNamespace")


def test_ecs_registers_its_tasks(synthesized_once):
    contained = synthesized_once("dev", compute="containers")
    service = only(contained.of_type("AWS::ServiceDiscovery::Service"))
    assert [record["Type"] for record in service["DnsConfig"]["DnsRecords"]] == ["A"]
    (registry,) = only(contained.of_type("AWS::ECS::Service"))["ServiceRegistries"]
    assert rendered(registry["RegistryArn"]) == "<MembersNamespaceService.Arn>"


def test_instances_are_in_no_dns_which_would_take_rights_to_its_zone(synthesized_once):
    service = only(synthesized_once("dev").of_type("AWS::ServiceDiscovery::Service"))
    assert service["Type"] == "HTTP"
    assert "DnsConfig" not in service
    assert allowed(synthesized_once("dev"), "route53", "ec2") == {}


def test_a_member_may_find_its_own_kind_alone(made):
    compute, synthesized = made
    rights = allowed(synthesized, "servicediscovery")
    found = rights.pop("servicediscovery:DiscoverInstances")
    assert found == (
        ["*"],
        {
            "StringEquals": {
                "servicediscovery:NamespaceName": f"{synthesized.name}.interlock.internal",
                "servicediscovery:ServiceName": KINDS[compute],
            }
        },
    )
    own = (["<MembersNamespaceService.Arn>"], None)
    registering = ("servicediscovery:RegisterInstance", "servicediscovery:DeregisterInstance")
    assert rights == (dict.fromkeys(registering, own) if compute == "instances" else {})


def test_the_key_of_hints_makes_macs_for_members_and_nothing_else(made):
    _, synthesized = made
    key = only(synthesized.of_type("AWS::KMS::Key", "Service"))
    assert (key["KeySpec"], key["KeyUsage"]) == ("HMAC_256", "GENERATE_VERIFY_MAC")
    rights = allowed(synthesized, "kms")
    assert {action: right for action, right in rights.items() if "Mac" in action} == {
        "kms:GenerateMac": (
            ["<MembersHintsKey1.Arn>"],
            {"StringEquals": {"kms:MacAlgorithm": "HMAC_SHA_256"}},
        )
    }
    holders = [
        statement.place
        for statement in statements(dict(synthesized.templates))
        if "kms:GenerateMac" in statement.actions
    ]
    assert holders == ["Service/GroupRoleDefaultPolicy"]


def test_the_service_is_told_where_to_look_and_no_secret(made):
    compute, synthesized = made
    text = told(compute, synthesized)
    assert f"INTERLOCK_NAMESPACE={synthesized.name}.interlock.internal" in text
    assert f"INTERLOCK_SERVICE={KINDS[compute]}" in text
    assert "INTERLOCK_HINT_KEY=<MembersHintsKey1>" in text
    assert ("INTERLOCK_REGISTRY=" in text) is (compute == "instances")


def test_without_a_way_out_members_reach_cloud_map_inside(synthesized_once):
    local = synthesized_once("local")  # of all environments, the one without NAT gateways
    names = {
        rendered(endpoint["ServiceName"]).rpartition(".")[2]
        for endpoint in local.of_type("AWS::EC2::VPCEndpoint").values()
    }
    assert names >= {"servicediscovery", "data-servicediscovery", "kms"}
