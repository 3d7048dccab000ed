"""Another app than ours installs the wheel, asserts its template, deploys, locks and writes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from local import cdk
from local.emulator import ACCOUNT, REGION, emulator

CONSUMER = Path(__file__).resolve().parents[2] / "examples" / "orders"

pytestmark = [pytest.mark.slow, pytest.mark.contract, pytest.mark.xdist_group("package")]


@pytest.fixture(scope="module")
def python(install):
    return install("cdk")


@pytest.fixture(scope="module")
def app(tmp_path_factory):
    """The consumer's folder, away from the checkout."""
    return Path(
        shutil.copytree(
            CONSUMER,
            tmp_path_factory.mktemp("consumer") / "app",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    )


def synthesize(python, app, outdir):
    """Run the app as the CDK CLI does; return its template."""
    environment = cdk.environment() | {"CDK_OUTDIR": str(outdir), "CDK_VALIDATION": "false"}
    subprocess.run([python, "app.py"], cwd=app, env=environment, check=True)
    return json.loads((outdir / "Orders.template.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def template(python, app, tmp_path_factory):
    return synthesize(python, app, tmp_path_factory.mktemp("assembly"))


def of_type(template, kind):
    return [r["Properties"] for r in template["Resources"].values() if r["Type"] == kind]


def statements(template):
    return [
        statement
        for policy in of_type(template, "AWS::IAM::Policy")
        for statement in policy["PolicyDocument"]["Statement"]
    ]


def test_one_statement_attaches_layer_variable_and_grants(template):
    (function,) = of_type(template, "AWS::Lambda::Function")
    (layer,) = of_type(template, "AWS::Lambda::LayerVersion")
    assert "python3.13" in layer["CompatibleRuntimes"]
    assert len(function["Layers"]) == 1
    assert "INTERLOCK_TABLE" in function["Environment"]["Variables"]


def test_the_grants_are_two_namespaces_and_one_table(template):
    keys = [
        statement["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        for statement in statements(template)
        if "ForAllValues:StringLike" in statement.get("Condition", {})
    ]
    assert ["lock#orders/*", "lock#carriers/*"] in keys
    on_orders = [s for s in statements(template) if "table/orders" in json.dumps(s["Resource"])]
    assert on_orders
    assert not [s for s in statements(template) if "dynamodb:*" in s["Action"]]


def test_checkout_and_wheel_give_the_same_layer(template, app, tmp_path):
    ours = synthesize(sys.executable, app, tmp_path)
    contents = [
        of_type(each, "AWS::Lambda::LayerVersion")[0]["Content"]["S3Key"]
        for each in (ours, template)
    ]
    assert contents[0] == contents[1]


def test_it_deploys_and_its_function_commits_a_guarded_write(python, app, tmp_path):
    with emulator() as running:
        running.client("dynamodb").create_table(
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        environment = cdk.environment({**os.environ, **running.environment}) | {
            "CDK_VALIDATION": "false",
            "CI": "1",
        }

        def run(*arguments: str) -> None:
            done = subprocess.run(
                cdk.command(*arguments, "--no-notices", "--no-color"),
                cwd=app,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr

        run("bootstrap", "--app", "", f"aws://{ACCOUNT}/{REGION}")
        outputs = tmp_path / "outputs.json"
        run(
            *("deploy", "--app", f"{python} app.py", "--require-approval", "never"),
            *("--method", "direct", "--output", str(tmp_path / "out")),
            *("--outputs-file", str(outputs)),
        )
        name = json.loads(outputs.read_text())["Orders"]["FunctionName"]
        answer = running.client("lambda").invoke(
            FunctionName=name, Payload=json.dumps({"order": "42"}).encode()
        )
        result = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, result
        item = running.client("dynamodb").get_item(
            TableName="orders", Key={"id": {"S": "42"}}, ConsistentRead=True
        )["Item"]
        assert item["status"] == {"S": "shipped"}
        assert item["fence"] == {"N": str(result["fencing_token"])}
