"""Clients that tools generate from the OpenAPI document work against the deployed API.

The tools come from their registries when the tests run.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest

from interlock.signing import sigv4
from local.emulator import REGION

DOCUMENT = Path(__file__).parents[2] / "lambda" / "counters" / "openapi.json"
BIN = Path(sys.executable).parent
PYTHON_GENERATOR = "openapi-python-client==0.29.1"
LINTER = "@redocly/cli@2.77.0"
PACKAGES = ["aws4fetch@1.0.20", "openapi-fetch@0.17.0", "openapi-typescript@7.13.0"]
COMPILER = "typescript@5"  # what openapi-typescript generates with
PROGRAM = Path(__file__).with_name("client.ts")

pytestmark = pytest.mark.slow


def run(*command: str, folder: Path, **variables: str) -> str:
    """Run a command of this environment's own Node.js or uv; fail with what it wrote."""
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", **variables}
    done = subprocess.run(
        [str(BIN / command[0]), *command[1:]],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        env=environment,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_redocly_finds_nothing(tmp_path):
    run("npx", "--yes", LINTER, "lint", str(DOCUMENT), folder=tmp_path)
    document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    assert document["info"]["license"]["identifier"] == "Apache-2.0"
    assert document["servers"]


@pytest.fixture
def generated(tmp_path, monkeypatch) -> Any:
    """What openapi-python-client makes of the document, imported."""
    tool = ("uv", "tool", "run", "--from", PYTHON_GENERATOR, "openapi-python-client")
    arguments = ("--path", str(DOCUMENT), "--meta", "none", "--output-path", "generated_client")
    run(*tool, "generate", *arguments, folder=tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("generated_client")
    for name in [name for name in sys.modules if name.split(".")[0] == "generated_client"]:
        del sys.modules[name]


def test_a_client_generated_in_python_counts(generated, deployed):
    def operation(name: str) -> Any:
        return importlib.import_module(f"generated_client.api.counters.{name}")

    models = importlib.import_module("generated_client.models")
    client = generated.Client(
        base_url=deployed.api_url,
        headers={"x-api-key": deployed.api_key},
        httpx_args={"auth": sigv4(boto3.Session("test", "test", region_name=REGION))},
    )
    name = f"generated-{uuid4().hex[:8]}"
    with client:
        body = models.Configuration(floor=0, ceiling=10)
        made = operation("put_counter").sync_detailed(name, client=client, body=body)
        assert made.status_code == 201
        changed = operation("increment_counter").sync(
            name, client=client, body=models.Amount(amount=7), idempotency_key="once"
        )
        assert (changed.value, changed.replayed) == (7, False)
        again = operation("increment_counter").sync(
            name, client=client, body=models.Amount(amount=7), idempotency_key="once"
        )
        assert (again.value, again.replayed) == (7, True)
        refused = operation("increment_counter").sync(
            name, client=client, body=models.Amount(amount=7)
        )
        assert isinstance(refused, models.Problem)
        assert (refused.status, refused.ceiling, refused.value) == (409, 10, 7)
        page = operation("list_counters").sync(client=client, prefix=name)
        assert [(each.name, each.value) for each in page.counters] == [(name, 7)]
        gone = operation("delete_counter").sync_detailed(name, client=client)
        assert gone.status_code == 204


def test_a_client_generated_in_typescript_counts(tmp_path, deployed):
    (tmp_path / "package.json").write_text('{"type": "module", "private": true}')
    (tmp_path / "client.ts").write_bytes(PROGRAM.read_bytes())
    run("npm", "install", "--no-audit", "--no-fund", COMPILER, *PACKAGES, folder=tmp_path)
    # What has a default may be left out of a request.
    options = ("--default-non-nullable", "false", "-o", "api.d.ts")
    run("npx", "openapi-typescript", str(DOCUMENT), *options, folder=tmp_path)
    check = ("--noEmit", "--strict", "--skipLibCheck", "--target", "es2022")
    modules = ("--module", "nodenext", "--lib", "es2022,dom")
    run("npx", "tsc", *check, *modules, "client.ts", folder=tmp_path)
    told = run(
        "node",
        "--experimental-strip-types",
        "--no-warnings",
        "client.ts",
        folder=tmp_path,
        API_URL=deployed.api_url,
        API_KEY=deployed.api_key,
        AWS_REGION=REGION,
        COUNTER=f"generated-{uuid4().hex[:8]}",
    )
    assert json.loads(told) == {
        "made": 201,
        "first": [7, False],
        "again": [7, True],
        "refused": [409, 10, 7],
        "listed": [7],
        "gone": 204,
    }
