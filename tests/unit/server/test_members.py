"""Who the other instances are: what Cloud Map says, and what this instance tells it."""

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from interlock.errors import InvalidValue
from server import members as module
from server.__main__ import build
from server.members import Member, Members, own_address
from server.membership import Membership
from server.settings import Settings, SettingsError
from tests.unit.server.conftest import until

OWN = Member("i-1", "10.0.0.1", 8080)
OTHER = Member("i-2", "10.0.0.2", 8081)


class CloudMap:
    """Cloud Map, and a client of it at once; `down` refuses what is asked."""

    def __init__(self):
        self.instances = {}
        self.calls = []
        self.down = False

    @asynccontextmanager
    async def connect(self):
        yield self

    def keep(self, member):
        self.instances[member.name] = {
            "AWS_INSTANCE_IPV4": member.address,
            "AWS_INSTANCE_PORT": str(member.port),
        }

    async def discover_instances(self, **asked):
        self._called("discover")
        assert asked["NamespaceName"] == "test.internal"
        assert (asked["ServiceName"], asked["HealthStatus"]) == ("service", "ALL")
        found = [{"InstanceId": n, "Attributes": a} for n, a in self.instances.items()]
        return {"Instances": found[: asked["MaxResults"]]}

    async def register_instance(self, **asked):
        self._called(f"register {asked['InstanceId']} in {asked['ServiceId']}")
        self.instances[asked["InstanceId"]] = asked["Attributes"]

    async def deregister_instance(self, **asked):
        self._called(f"deregister {asked['InstanceId']} from {asked['ServiceId']}")
        del self.instances[asked["InstanceId"]]

    def _called(self, what):
        self.calls.append(what)
        if self.down:
            error: Any = {"Error": {"Code": "RequestLimitExceeded", "Message": "slower"}}
            raise ClientError(error, what)


@pytest.fixture
def cloud_map():
    return CloudMap()


@pytest.fixture(autouse=True)
def often(monkeypatch):
    monkeypatch.setattr(module, "LOOK_EVERY", 0.01)


def members(cloud_map, *, registry="srv-1"):
    told = Membership(namespace="test.internal", service="service", key_id="key", registry=registry)
    return Members(told, OWN, cloud_map.connect)


async def test_an_instance_registers_itself_and_leaves_when_it_ends(cloud_map):
    cloud_map.keep(OTHER)
    ours = members(cloud_map)
    assert ours.found is None
    async with ours.running():
        await until(lambda: ours.found == (OWN, OTHER))
        assert ours.others == (OTHER,)
    assert cloud_map.calls.count("register i-1 in srv-1") == 1
    assert cloud_map.instances.keys() == {"i-2"}


async def test_a_member_that_comes_or_goes_is_known_at_the_next_look(cloud_map):
    ours = members(cloud_map)
    async with ours.running():
        await until(lambda: ours.found == (OWN,))
        cloud_map.keep(OTHER)
        await until(lambda: ours.others == (OTHER,))
        del cloud_map.instances["i-2"]
        await until(lambda: ours.others == ())


async def test_an_instance_that_was_taken_for_gone_registers_itself_again(cloud_map):
    ours = members(cloud_map)
    async with ours.running():
        await until(lambda: "i-1" in cloud_map.instances)
        del cloud_map.instances["i-1"]
        await until(lambda: "i-1" in cloud_map.instances)


async def test_where_ecs_registers_its_tasks_nothing_is_changed(cloud_map):
    # ECS tells no port of an A record: the service's own is theirs too.
    cloud_map.instances["i-2"] = {"AWS_INSTANCE_IPV4": OTHER.address}
    ours = members(cloud_map, registry=None)
    async with ours.running():
        await until(lambda: ours.others == (Member("i-2", OTHER.address, OWN.port),))
        ours.forget_all_but(set())
        looks = len(cloud_map.calls)
        await until(lambda: len(cloud_map.calls) > looks + 1)
    assert set(cloud_map.calls) == {"discover"}


async def test_who_is_gone_without_a_word_is_taken_out(cloud_map):
    cloud_map.keep(OTHER)
    cloud_map.keep(Member("i-3", "10.0.0.3", 8080))
    ours = members(cloud_map)
    ours.forget_all_but({"i-1"})  # before the first answer nothing is known
    async with ours.running():
        await until(lambda: len(ours.others) == 2)
        ours.forget_all_but({"i-1", "i-3"})
        await until(lambda: [each.name for each in ours.found] == ["i-1", "i-3"])
    assert [call for call in cloud_map.calls if call.startswith("deregister")] == [
        "deregister i-2 from srv-1",
        "deregister i-1 from srv-1",
    ]


@pytest.mark.parametrize("code", ["InstanceNotFound", "DuplicateRequest"])
async def test_who_cannot_be_taken_out_hides_no_other_member(cloud_map, code):
    """It left by itself, or is on its way out: Cloud Map says so, and goes on."""
    cloud_map.keep(OTHER)
    ours = members(cloud_map)

    async def refuse(**_):
        ours.forget_all_but({"i-1", "i-3"})
        raise ClientError({"Error": {"Code": code, "Message": "no"}}, "DeregisterInstance")

    async with ours.running():
        await until(lambda: ours.others == (OTHER,))
        cloud_map.deregister_instance = refuse
        del cloud_map.instances["i-2"]
        cloud_map.keep(Member("i-3", "10.0.0.3", 8080))
        ours.forget_all_but({"i-1", "i-3"})
        await until(lambda: [each.name for each in ours.found] == ["i-1", "i-3"])


async def test_who_reports_again_in_time_is_not_taken_out(cloud_map, monkeypatch):
    monkeypatch.setattr(module, "LOOK_EVERY", 3600)
    cloud_map.keep(OTHER)
    ours = members(cloud_map)
    async with ours.running():
        await until(lambda: ours.others == (OTHER,))
        ours.forget_all_but({"i-1"})
        ours.forget_all_but({"i-1", "i-2"})
        await ours._look()
    assert "i-2" in cloud_map.instances


async def test_while_cloud_map_fails_the_last_members_stay_and_it_is_asked_again(cloud_map):
    cloud_map.keep(OTHER)
    ours = members(cloud_map)
    async with ours.running():
        await until(lambda: ours.others == (OTHER,))
        cloud_map.down = True
        calls = len(cloud_map.calls)
        await until(lambda: len(cloud_map.calls) > calls + 2)
        assert ours.others == (OTHER,)
        cloud_map.down = False
        del cloud_map.instances["i-2"]
        await until(lambda: ours.others == ())


async def test_a_client_that_cannot_be_made_is_made_later():
    cloud_map, tries = CloudMap(), []

    @asynccontextmanager
    async def connect():
        tries.append(1)
        if len(tries) < 3:
            raise OSError("no credentials yet")
        yield cloud_map

    told = Membership(namespace="test.internal", service="service", key_id="key")
    ours = Members(told, OWN, connect)
    async with ours.running():
        await until(lambda: ours.found == ())


async def test_cloud_map_that_hangs_does_not_hold_up_the_end(cloud_map, monkeypatch):
    monkeypatch.setattr(module, "_LEAVING", 0.01)
    ours = members(cloud_map)

    async def hang(**_):
        await asyncio.Event().wait()

    async with ours.running():
        await until(lambda: ours.found == (OWN,))
        monkeypatch.setattr(cloud_map, "deregister_instance", hang)


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"AWS_INSTANCE_IPV4": "not an address"},
        {"AWS_INSTANCE_IPV4": "service.example.com"},
        {"AWS_INSTANCE_IPV4": "10.0.0.9", "AWS_INSTANCE_PORT": "many"},
    ],
)
async def test_what_has_no_address_is_no_member(cloud_map, attributes):
    cloud_map.instances["i-9"] = attributes
    ours = members(cloud_map)
    async with ours.running():
        await until(lambda: ours.found == (OWN,))


def test_an_instance_is_reached_where_it_listens():
    assert own_address("127.0.0.7") == "127.0.0.7"


def test_one_that_listens_everywhere_is_reached_at_an_address_that_it_has():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind((own_address(Settings.host), 0))  # refused for what is another's


BASE = {
    "INTERLOCK_API_URL": "https://api.test/stage",
    "AWS_REGION": "eu-west-1",
    "INTERLOCK_INSTANCE_ID": "i-1",
}
TOLD = {
    "INTERLOCK_NAMESPACE": "test.internal",
    "INTERLOCK_SERVICE": "service",
    "INTERLOCK_HINT_KEY": "1234abcd-12ab-34cd-56ef-1234567890ab",
}


def test_the_environment_says_where_members_are_found():
    found = Settings.from_environment(BASE | TOLD | {"INTERLOCK_REGISTRY": "srv-1"}).membership
    assert found == Membership(
        namespace="test.internal",
        service="service",
        key_id=TOLD["INTERLOCK_HINT_KEY"],
        registry="srv-1",
    )
    told = Settings.from_environment(BASE | TOLD).membership
    assert told is not None
    assert told.registry is None
    assert Settings.from_environment(BASE).membership is None


@pytest.mark.parametrize("lost", TOLD)
def test_a_service_that_lost_part_of_it_does_not_start(lost):
    with pytest.raises(SettingsError, match=f"{lost} is not set"):
        Settings.from_environment(BASE | TOLD | {lost: ""})


@pytest.mark.parametrize("value", ["0", "0.1", "3601", "often"])
def test_how_often_it_looks_has_bounds(value):
    with pytest.raises(SettingsError, match=r"INTERLOCK_LOOK_EVERY is .* from 0.2 to 3600"):
        Settings.from_environment(BASE | {"INTERLOCK_LOOK_EVERY": value})


def test_a_key_that_has_no_client_keeps_no_instance_from_its_start(monkeypatch):
    """As where the environment names a proxy, which the library's own transport does not use."""
    made = []

    def refuse(key_id):
        made.append(key_id)
        raise InvalidValue("client", "is needed, as the environment names a proxy")

    monkeypatch.setattr("server.__main__.Mac", refuse)
    assert build(Settings.from_environment(BASE | TOLD)).routes
    assert made == [TOLD["INTERLOCK_HINT_KEY"]]


async def test_a_service_that_is_told_of_members_is_put_together_with_hints():
    settings = Settings.from_environment(BASE | TOLD | {"INTERLOCK_HOST": "127.0.0.1"})
    assert build(settings).state.events.listening == 0
