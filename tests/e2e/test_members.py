"""A change that went through one instance is seen at once by pages that are at another."""

import http.client
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.application import Application
from local.instances import Instance
from local.requests import request
from tests.e2e.conftest import value_of

# Nothing is seen by looking again while these tests run; and no person has to sign in past the
# load balancer.
ALONE = {
    "INTERLOCK_LOOK_EVERY": "3600",
    "INTERLOCK_SIGNER": "",
    "INTERLOCK_SIGNER_KEYS": "",
    "INTERLOCK_SIGN_IN_ISSUER": "",
    "INTERLOCK_SIGN_IN_CLIENT": "",
    "INTERLOCK_SIGN_OUT": "",
}
PATIENCE = 60.0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


class Page:
    """A stream of an instance, as a page has it."""

    def __init__(self, instance: Instance) -> None:
        parts = urlsplit(instance.url)
        self._connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port, timeout=PATIENCE
        )
        self._connection.request("GET", "/events")
        self._answer = self._connection.getresponse()

    def state(self) -> Any:
        """Return the next state that it is told."""
        while self._answer.readline().strip() != b"event: state":
            pass
        return json.loads(self._answer.readline().removeprefix(b"data:"))

    def value(self, counter: str) -> int:
        """Return what the next state says of a counter."""
        name = counter.rpartition("/")[2]
        values = [c["value"] for c in self.state()["counters"] or [] if c["name"] == name]
        return int(values[0]) if values else -1

    def close(self) -> None:
        self._connection.close()


@contextmanager
def page(instance: Instance) -> Iterator[Page]:
    shown = Page(instance)
    try:
        yield shown
    finally:
        shown.close()


def registered(deployed: Application) -> set[str]:
    """Return the ids of the instances that Cloud Map holds."""
    told = json.loads(deployed.deployment.outputs["Membership"])
    found = deployed.emulator.client("servicediscovery").list_instances(
        ServiceId=told["INTERLOCK_REGISTRY"]
    )
    return {each["Id"] for each in found["Instances"]}


@pytest.fixture
def start(deployed: Application) -> Iterator[Callable[[], Instance]]:
    """Starts an instance that no request reaches but those of this test."""
    started = []

    def start() -> Instance:
        instance = deployed.fleet.start(**ALONE)
        started.append(instance)
        instance.process.wait_until(lambda: instance.name in registered(deployed), timeout=PATIENCE)
        return instance

    yield start
    for instance in started:
        deployed.fleet.withdraw(instance)
    deployed.fleet.dismiss()


def members(instance: Instance) -> set[str]:
    """Return whom an instance would tell of a change."""
    answer = request("GET", f"{instance.url}/service/cluster")
    assert answer.status == 200, answer.content
    return set(answer.json()["members"] or ())


def test_a_change_through_one_instance_wakes_the_pages_of_another(start, signed, counter):
    # The one that starts last finds the other at its first look.
    other, one = start(), start()
    until(lambda: other.name in members(one))
    with page(other) as shown:
        assert shown.value(counter) == 5
        answer = request("POST", f"{one.url}/api{counter}/increment", {"amount": 2})
        assert answer.status == 200, answer.content
        # No look is due for an hour, so that what comes is for the hint.
        while shown.value(counter) != 7:
            pass
    assert value_of(signed, counter) == 7


def test_an_instance_that_ends_in_order_is_no_member_any_more(deployed, start):
    instance = start()
    instance.process.terminate()
    until(lambda: instance.name not in registered(deployed))
    assert registered(deployed) >= {each.name for each in deployed.fleet.instances} - {
        instance.name
    }
