"""The service's "instances": processes on 127.0.0.2, 127.0.0.3, ... behind the load balancer.

The emulator's Auto Scaling starts no instance, and its target group calls every target healthy:
starting, registering, checking and deregistering are done here.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3

from local import ROOT, STATE
from local.deployment import Deployment
from local.emulator import REGION, Emulator
from local.ports import free_port, is_free
from local.processes import Process
from local.requests import request

PORT = 8080
START_TIMEOUT = 60.0


@dataclass(frozen=True, slots=True)
class Instance:
    """One process of the service."""

    name: str
    host: str
    port: int
    process: Process

    @property
    def url(self) -> str:
        """Where it listens, past the load balancer."""
        return f"http://{self.host}:{self.port}"


class Fleet:
    """The running instances, and their place in the load balancer's target group."""

    def __init__(self, emulator: Emulator, deployment: Deployment) -> None:
        self._emulator = emulator
        self._deployment = deployment
        self._targets = deployment.outputs["TargetGroupArn"]
        self._balancer: Any = boto3.client(
            "elbv2",
            endpoint_url=emulator.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        self.instances: list[Instance] = []

    def start(self, number: int, state: Path) -> Instance:
        """Start the instance 1, 2, ...; it takes part once `admit` is called."""
        host = f"127.0.0.{number + 1}"
        port = PORT if is_free(PORT, host) else free_port(host)
        name = f"i-local-{number}"
        process = Process(
            name,
            [sys.executable, "-m", "server"],
            log=state / "logs" / f"{name}-{self._emulator.process.pid}.log",
            environment=self._emulator.environment
            | {
                "INTERLOCK_HOST": host,
                "INTERLOCK_PORT": str(port),
                "INTERLOCK_API_URL": self._deployment.api_url(self._emulator.endpoint),
                "INTERLOCK_TABLE": self._deployment.outputs["TableName"],
                "INTERLOCK_INSTANCE_ID": name,
            },
            directory=ROOT,
            records=state / "run",
        )
        instance = Instance(name, host, port, process)
        self.instances.append(instance)
        return instance

    def admit(self, instance: Instance) -> None:
        """Wait until the instance is healthy and register it. Raises ProcessFailed."""
        instance.process.wait_until(partial(_healthy, instance), timeout=START_TIMEOUT)
        self._balancer.register_targets(
            TargetGroupArn=self._targets, Targets=[{"Id": instance.host, "Port": instance.port}]
        )

    def drop_ended(self) -> list[Instance]:
        """Deregister the instances whose process has ended, as failed checks would; return them."""
        ended = [each for each in self.instances if each.process.returncode is not None]
        for instance in ended:
            self._balancer.deregister_targets(
                TargetGroupArn=self._targets,
                Targets=[{"Id": instance.host, "Port": instance.port}],
            )
            self.instances.remove(instance)
        return ended


@contextmanager
def fleet(
    emulator: Emulator, deployment: Deployment, size: int, *, state: Path = STATE
) -> Iterator[Fleet]:
    """Run `size` healthy, registered instances."""
    running = Fleet(emulator, deployment)
    with ExitStack() as stack:
        for number in range(1, size + 1):
            stack.callback(running.start(number, state).process.stop)
        for instance in running.instances:
            running.admit(instance)
        yield running


def _healthy(instance: Instance) -> bool:
    try:
        return request("GET", f"{instance.url}/healthz").status == 200  # noqa: PLR2004 - HTTP OK
    except OSError:
        return False
