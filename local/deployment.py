"""Deploy the stacks to the emulator with the real CDK CLI."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import ROOT, STATE, cdk
from local.emulator import ACCOUNT, REGION, Emulator
from local.processes import Process, ProcessFailed

CDK_TIMEOUT = 600.0
_LEFT_OUT = "interlock:left-out"


@dataclass(frozen=True, slots=True)
class Deployment:
    """A deployment: the stacks' outputs and their templates."""

    outputs: dict[str, str]
    templates: tuple[dict[str, Any], ...]

    @property
    def left_out(self) -> tuple[str, ...]:
        """The resource types that the emulator does not know, and that were left out."""
        types: set[str] = set()
        for template in self.templates:
            types.update(template.get("Metadata", {}).get(_LEFT_OUT, ()))
        return tuple(sorted(types))

    def api_url(self, endpoint: str) -> str:
        """Return the URL of the API's stage, as the emulator at `endpoint` serves it."""
        api, stage = self.outputs["ApiId"], self.outputs["StageName"]
        return f"{endpoint}/_aws/execute-api/{api}/{stage}"

    def api_key(self, emulator: Emulator) -> str:
        """Ask for the service's key to the API, as instances do when they start."""
        key = emulator.client("apigateway").get_api_key(
            apiKey=self.outputs["ServiceKeyId"], includeValue=True
        )
        return str(key["value"])


def bootstrap(emulator: Emulator, *, watch: Callable[[str], None], state: Path = STATE) -> None:
    """Create what the CDK CLI itself needs. Raises ProcessFailed with its output's tail."""
    _run(
        emulator,
        # No app: the environment is given, and synthesizing would cost seconds.
        ["bootstrap", "--app", "", f"aws://{ACCOUNT}/{REGION}"],
        watch=watch,
        state=state,
    )


def deploy(
    emulator: Emulator,
    *,
    watch: Callable[[str], None],
    context: Mapping[str, str] | None = None,
    state: Path = STATE,
) -> Deployment:
    """Run `cdk deploy --all -c env=local`, with more context if given.

    Raises ProcessFailed with its output's tail.
    """
    given = [part for pair in (context or {}).items() for part in ("--context", "=".join(pair))]
    assembly, outputs = emulator.data / "cdk.out", emulator.data / "outputs.json"
    _run(
        emulator,
        [
            *("deploy", "--all", "--context", "env=local", *given, "--require-approval", "never"),
            # A change set is there to be looked at first: no person looks at this one.
            *("--method", "direct", "--concurrency", "4", "--progress", "events"),
            *("--output", str(assembly), "--outputs-file", str(outputs)),
        ],
        watch=watch,
        state=state,
    )
    by_stack: dict[str, dict[str, str]] = json.loads(outputs.read_text())
    merged = {name: value for stack in by_stack.values() for name, value in stack.items()}
    templates = _templates(assembly)
    for stack, template in templates.items():
        let_items_expire(emulator.client, stack, template)
    return Deployment(merged, tuple(templates.values()))


def let_items_expire(client: Callable[[str], Any], stack: str, template: Mapping[str, Any]) -> None:
    """Give the tables of a stack the time to live that its template says.

    The emulator knows it, and its CloudFormation drops it.
    """
    for name, resource in template.get("Resources", {}).items():
        wanted = resource.get("Properties", {}).get("TimeToLiveSpecification")
        if wanted is None:
            continue
        found = client("cloudformation").describe_stack_resource(
            StackName=stack, LogicalResourceId=name
        )["StackResourceDetail"]
        client("dynamodb").update_time_to_live(
            TableName=found["PhysicalResourceId"], TimeToLiveSpecification=wanted
        )


def _templates(assembly: Path) -> dict[str, dict[str, Any]]:
    """Return the templates of an assembly by their stacks' names."""
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    return {
        artifact["properties"].get("stackName", name): json.loads(
            (assembly / artifact["properties"]["templateFile"]).read_text()
        )
        for name, artifact in sorted(artifacts.items())
        if artifact["type"] == "aws:cloudformation:stack"
    }


def _run(
    emulator: Emulator, arguments: list[str], *, watch: Callable[[str], None], state: Path
) -> None:
    environment = cdk.environment(emulator.environment) | {
        "CDK_VALIDATION": "false",  # half of a synthesis; a test of its own runs it
        "CDK_DISABLE_VERSION_CHECK": "1",
        "CI": "1",
    }
    log = state / "logs" / f"cdk-{arguments[0]}-{emulator.process.pid}.log"
    with Process(
        f"cdk {arguments[0]}",
        cdk.command(*arguments, "--no-notices", "--no-color"),
        log=log,
        environment=environment,
        directory=ROOT,
        records=state / "run",
    ) as process:

        def ended() -> bool:
            watch(process.tail(1))
            return process.returncode == 0

        process.wait_until(ended, timeout=CDK_TIMEOUT)
    if emulator.process.returncode is not None:
        raise ProcessFailed(f"the emulator ended meanwhile:\n{emulator.process.tail()}")
