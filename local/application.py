"""The whole application on this machine, from an empty emulator to healthy instances."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from local import STATE
from local.compute import Compute, Containers, Processes
from local.containers import build, engine
from local.deployment import Deployment, bootstrap, deploy
from local.emulator import Emulator, emulator
from local.instances import Fleet, fleet
from local.progress import Progress


@dataclass(frozen=True)
class Application:
    """The running application."""

    emulator: Emulator
    deployment: Deployment
    fleet: Fleet

    @property
    def balancer_url(self) -> str:
        """The load balancer, for programs: needs no name to be resolved."""
        return f"{self.emulator.endpoint}/_alb/{self.deployment.outputs['LoadBalancerName']}"

    @property
    def web_address(self) -> str:
        """The load balancer, for browsers: they take every name below localhost for loopback."""
        port = self.emulator.endpoint.rpartition(":")[2]
        return f"http://{self.deployment.outputs['LoadBalancerName']}.alb.localhost:{port}/"

    @property
    def api_url(self) -> str:
        """The API's stage. Requests to it must be signed, and carry `api_key`."""
        return self.deployment.api_url(self.emulator.endpoint)

    @cached_property
    def api_key(self) -> str:
        """The service's key to the API, for the header x-api-key."""
        return self.deployment.api_key(self.emulator)


@contextmanager
def application(
    *,
    instances: int,
    progress: Progress,
    containers: bool = False,
    preferred_port: int | None = None,
    state: Path = STATE,
) -> Iterator[Application]:
    """Run the application; stop all of it on exit, in reverse order. Raises ProcessFailed.

    With `containers` each instance is one, of an image that is built first; on a machine without
    an engine it says so, and they are processes.
    """
    with ExitStack() as stack:
        compute = _containers(progress, state) if containers else Processes()
        with progress.step("start the emulator"):
            running = stack.enter_context(
                emulator(preferred_port=preferred_port, state=state, say=progress.say)
            )
        with progress.step("cdk bootstrap"):
            bootstrap(running, watch=progress.detail, state=state)
        with progress.step("cdk deploy --all -c env=local"):
            deployment = deploy(running, watch=progress.detail, state=state)
        with progress.step(f"start {instances} instances behind the load balancer"):
            started = stack.enter_context(
                fleet(running, deployment, instances, compute=compute, state=state)
            )
        yield Application(running, deployment, started)


def _containers(progress: Progress, state: Path) -> Compute:
    found = engine()
    if found is None:
        progress.say(
            "  No podman or docker works here (on Linux: `apt-get install podman mmdebstrap`): "
            "the instances are processes."
        )
        return Processes()
    with progress.step(f"build the image with {found.name}"):
        image = build(found, state=state)
    progress.say(f"          {image.megabytes:.0f} MB; its packages are in {image.sbom}")
    return Containers(found, image)
