"""The application's templates, synthesized once a session for each environment."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from stacks.application import Application

ROOT = Path(__file__).resolve().parents[2]
STACKS = ("Records", "Network", "Data", "Api", "Service", "Observability")
ENVIRONMENTS = ("local", "dev", "prod")

Template = dict[str, Any]


@dataclass(frozen=True)
class Synthesized:
    """An environment's templates by the construct id of their stack."""

    name: str
    templates: Mapping[str, Template]
    assembly: Path
    protected: bool  # every stack of it, against termination

    def of_type(self, kind: str, stack: str | None = None) -> dict[str, Any]:
        """Return the properties of the resources of a type, by "stack.logical id"."""
        return {
            f"{name}.{logical_id}": resource.get("Properties", {})
            for name, template in self.templates.items()
            if stack in (None, name)
            for logical_id, resource in template["Resources"].items()
            if resource["Type"] == kind
        }


def context(environment: str) -> dict[str, Any]:
    """Return `cdk.json`'s context, without the bundling that only a deployment needs."""
    settings = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    return {**settings, "env": environment, "aws:cdk:bundling-stacks": []}


def synthesize(environment: str, outdir: Path) -> Synthesized:
    """Synthesize an environment."""
    app = cdk.App(context=context(environment), outdir=str(outdir))
    Application(app)
    assembly = app.synth()
    return Synthesized(
        environment,
        {
            stack: json.loads((outdir / f"{stack}.template.json").read_text(encoding="utf-8"))
            for stack in STACKS
        },
        outdir,
        all(stack.termination_protection for stack in assembly.stacks),
    )


# One worker synthesizes an environment, and runs what looks at it.
_PARAMS = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in ENVIRONMENTS]


@pytest.fixture(scope="session", params=_PARAMS)
def synthesized(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """Each environment in turn, without the built-in validation: two thirds of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CDK_VALIDATION", "false")
        yield synthesize(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def real(synthesized: Synthesized) -> Synthesized:
    """Each environment that is deployed to AWS."""
    if synthesized.name == "local":
        pytest.skip("the emulated environment leaves this out")
    return synthesized
