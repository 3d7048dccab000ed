"""The service's instances, on 127.0.0.2, 127.0.0.3, ... behind the load balancer.

The emulator's Auto Scaling starts no instance, and its target group calls every target healthy:
starting, registering, health checks and deregistering are done here. In Cloud Map the instances
register themselves, as in AWS.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from local import STATE
from local.compute import Compute, Processes
from local.deployment import Deployment
from local.emulator import Emulator, client_variables
from local.ports import LOOPBACK, free_port, is_free
from local.processes import Process
from local.requests import request

PORT = 8080
START_TIMEOUT = 60.0
_SESSION = 12 * 3600
"""Seconds for which an instance's credentials are good: the longest that STS gives."""

HEALTH_TIMEOUT = 1.0
"""Seconds that an instance has to answer /healthz; AWS asks with 5 s, three times."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of the service."""

    name: str
    host: str
    port: int
    process: Process
    compute: Compute

    @property
    def url(self) -> str:
        """The address where it listens, past the load balancer."""
        return f"http://{self.host}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the service itself, which a visitor may kill or pause."""
        return self.compute.pid(self.process)


class Fleet:
    """The running instances, and their place in the load balancer's target group."""

    def __init__(
        self,
        emulator: Emulator,
        deployment: Deployment,
        *,
        compute: Compute | None = None,
        variables: Mapping[str, str] | None = None,
        state: Path = STATE,
    ) -> None:
        self._variables = dict(variables or {})
        self._compute = compute or Processes()
        self._emulator = emulator
        self._records = state / "run"
        self.logs = state / "logs"
        self._deployment = deployment
        self._targets = deployment.outputs["TargetGroupArn"]
        self._balancer = emulator.client("elbv2")
        self._api_key = deployment.api_key(emulator)
        self._role = deployment.outputs["ServiceRoleArn"]
        self._started = 0
        self.instances: list[Instance] = []
        self.unhealthy: list[Instance] = []
        """Running, but out of the target group until they answer again."""
        self.leaving: list[Instance] = []
        """Out of the target group for good; they finish what they were sent."""

    def start(self, **variables: str) -> Instance:
        """Start the instance 1, 2, ..., with more variables if given.

        It gets requests once `admit` is called.
        """
        self._started += 1
        number = self._started
        host = _host(number)
        port = PORT if is_free(PORT, host) else free_port(host)
        name = f"i-local-{number}"
        process = self._compute.start(
            name,
            client_variables(self._emulator.endpoint)
            | self._credentials(name)
            | json.loads(self._deployment.outputs["Membership"])
            | self._variables
            | {
                "INTERLOCK_HOST": host,
                "INTERLOCK_PORT": str(port),
                "INTERLOCK_API_URL": self._deployment.api_url(self._emulator.endpoint),
                "INTERLOCK_API_KEY": self._api_key,
                "INTERLOCK_TABLE": self._deployment.outputs["TableName"],
                "INTERLOCK_INSTANCE_ID": name,
            }
            | variables,
            log=self.logs / f"{name}-{self._emulator.process.pid}.log",
            records=self._records,
        )
        instance = Instance(name, host, port, process, self._compute)
        self.instances.append(instance)
        return instance

    def stop(self) -> None:
        """Stop every instance, the paused ones too."""
        running = [*self.instances, *self.leaving]
        for instance in running:
            instance.process.terminate()  # all at once, so that they end side by side
        for instance in running:
            instance.process.stop()

    def withdraw(self, instance: Instance) -> None:
        """Send the instance no more requests; it runs until `dismiss` is called."""
        self._deregister(instance)
        self.instances.remove(instance)
        self.leaving.append(instance)

    def dismiss(self) -> None:
        """Stop the instances that were withdrawn."""
        while self.leaving:
            self.leaving.pop().process.stop()

    def admit(self, instance: Instance) -> None:
        """Wait until the instance is healthy and register it. Raises ProcessFailed."""
        instance.process.wait_until(partial(_healthy, instance), timeout=START_TIMEOUT)
        self._register(instance)

    def check(self) -> list[Instance]:
        """Do what the target group's health checks would do; return those that left it just now.

        An instance whose process has ended is gone. One that does not answer, because it is
        paused, gets no more requests until it answers again.
        """
        left = []
        for instance in list(self.instances):
            ended = instance.process.returncode is not None
            healthy = not ended and _healthy(instance)
            known = instance not in self.unhealthy
            if healthy and not known:
                self.unhealthy.remove(instance)
                self._register(instance)
            if not healthy and known:
                self.unhealthy.append(instance)
                self._deregister(instance)
                left.append(instance)
            elif ended:  # while it was paused, so it has left before, and now for good
                left.append(instance)
            if ended:
                instance.process.stop()  # what it may have started
                self.unhealthy.remove(instance)
                self.instances.remove(instance)
        return left

    def _credentials(self, name: str) -> dict[str, str]:
        """Return what the instance's metadata would give it: its role's, in a session of its name.

        The API tells the service from its other callers by them.
        """
        found = self._emulator.client("sts").assume_role(
            RoleArn=self._role, RoleSessionName=name, DurationSeconds=_SESSION
        )["Credentials"]
        return {
            "AWS_ACCESS_KEY_ID": found["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": found["SecretAccessKey"],
            "AWS_SESSION_TOKEN": found["SessionToken"],
        }

    def _register(self, instance: Instance) -> None:
        self._balancer.register_targets(TargetGroupArn=self._targets, Targets=_target(instance))

    def _deregister(self, instance: Instance) -> None:
        self._balancer.deregister_targets(TargetGroupArn=self._targets, Targets=_target(instance))


@contextmanager
def fleet(
    emulator: Emulator,
    deployment: Deployment,
    size: int,
    *,
    compute: Compute | None = None,
    variables: Mapping[str, str] | None = None,
    state: Path = STATE,
) -> Iterator[Fleet]:
    """Run `size` healthy, registered instances, with more variables if given."""
    running = Fleet(emulator, deployment, compute=compute, variables=variables, state=state)
    try:
        for _ in range(size):
            running.start()
        for instance in running.instances:
            running.admit(instance)
        yield running
    finally:
        running.stop()


def _host(number: int) -> str:
    """Return an address of loopback for the instance; macOS has one alone, 127.0.0.1."""
    own = f"127.0.0.{number + 1}"
    try:
        free_port(own)
    except OSError:
        return LOOPBACK
    return own


def _target(instance: Instance) -> list[dict[str, object]]:
    return [{"Id": instance.host, "Port": instance.port}]


def _healthy(instance: Instance) -> bool:
    try:
        answer = request("GET", f"{instance.url}/healthz", timeout=HEALTH_TIMEOUT)
    except OSError:
        return False
    return answer.status == 200  # noqa: PLR2004 - HTTP OK
