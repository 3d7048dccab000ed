"""The whole application on this machine, from an empty emulator to healthy instances."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import urlsplit

from local import STATE
from local.compute import Compute, Containers, Processes
from local.containers import build, engine
from local.deployment import Deployment, bootstrap, deploy
from local.emulator import Emulator, emulator
from local.identity import Provider, Visitor, provider
from local.instances import Fleet, fleet
from local.progress import Progress


@dataclass(frozen=True)
class Application:
    """The running application."""

    emulator: Emulator
    deployment: Deployment
    fleet: Fleet
    provider: Provider | None = None

    @property
    def stranger(self) -> Visitor:
        """A visitor of the load balancer who has not signed in; `signed_in` makes a person of it.

        As browsers do it: by the load balancer's name, which needs not be resolved here.
        """
        return Visitor(self.emulator.endpoint, urlsplit(self.web_address).netloc)

    @cached_property
    def administrator(self) -> Visitor:
        """Alice, signed in."""
        return self.stranger.signed_in("alice") if self.provider else self.stranger

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
    people: bool = True,
    preferred_port: int | None = None,
    state: Path = STATE,
) -> Iterator[Application]:
    """Run the application; stop all of it on exit, in reverse order. Raises ProcessFailed.

    People sign in, unless `people` is false: then it is open to all who reach it. With
    `containers` each instance is one, of an image that is built first; on a machine without
    an engine it says so, and they are processes.
    """
    with ExitStack() as stack:
        compute = _containers(progress, state) if containers else Processes()
        with progress.step("start the emulator"):
            signs_in = stack.enter_context(provider(state=state)) if people else None
            running = stack.enter_context(
                emulator(
                    preferred_port=preferred_port,
                    balancer_key=signs_in.balancer_key if signs_in else None,
                    state=state,
                    say=progress.say,
                )
            )
        context = {}
        if signs_in:
            signs_in.keep_secret(running)
            context["identity"] = json.dumps(signs_in.described)
        with progress.step("cdk bootstrap"):
            bootstrap(running, watch=progress.detail, state=state)
        with progress.step("cdk deploy --all -c env=local"):
            deployment = deploy(running, watch=progress.detail, context=context, state=state)
        variables = {}
        if signs_in:
            variables = signs_in.variables(running, deployment.outputs["LoadBalancerName"])
        with progress.step(f"start {instances} instances behind the load balancer"):
            started = stack.enter_context(
                fleet(
                    running,
                    deployment,
                    instances,
                    compute=compute,
                    variables=variables,
                    state=state,
                )
            )
        yield Application(running, deployment, started, signs_in)


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
