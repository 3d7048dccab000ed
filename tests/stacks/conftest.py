"""The application's templates, synthesized once a session for each environment."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from stacks.application import Application

ROOT = Path(__file__).resolve().parents[2]
STACKS = ("Records", "Network", "Data", "Api", "Identity", "Service", "Observability")
REAL = ("dev", "prod")
ENVIRONMENTS = ("local", *REAL)

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
    looked_at = {"placeholders": "allowed", "aws:cdk:bundling-stacks": []}
    return {**settings, "env": environment, **looked_at}


def synthesize(environment: str, outdir: Path, **given: Any) -> Synthesized:
    """Synthesize an environment, with more context if given."""
    app = cdk.App(context=context(environment) | given, outdir=str(outdir))
    Application(app)
    assembly = app.synth()
    return Synthesized(
        environment,
        {
            stack: json.loads((outdir / f"{stack}.template.json").read_text(encoding="utf-8"))
            for stack in STACKS
            if (outdir / f"{stack}.template.json").exists()
        },
        outdir,
        all(stack.termination_protection for stack in assembly.stacks),
    )


@pytest.fixture(scope="session")
def synthesized_once(tmp_path_factory: pytest.TempPathFactory):
    """Synthesizes an environment, without the built-in validation: two thirds of the time."""

    @cache
    def once(environment: str, **given: Any) -> Synthesized:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CDK_VALIDATION", "false")
            return synthesize(environment, tmp_path_factory.mktemp(environment), **given)

    return once


@pytest.fixture(scope="session", params=ENVIRONMENTS)
def synthesized(request: pytest.FixtureRequest, synthesized_once) -> Synthesized:
    """Each environment in turn."""
    made: Synthesized = synthesized_once(request.param)
    return made


@pytest.fixture(scope="session", params=REAL)
def real(request: pytest.FixtureRequest, synthesized_once) -> Synthesized:
    """Each environment that is deployed to AWS."""
    made: Synthesized = synthesized_once(request.param)
    return made
