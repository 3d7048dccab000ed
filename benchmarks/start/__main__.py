"""Measure a function's fresh environment from its first import to its first answer.

    python -m benchmarks.start [--rounds 15]

Each round starts one interpreter for each handler, in turn: the counter function as it is deployed
(with the key that signs receipts), the same without its bytecode, a lock, and a bare handler that
imports boto3, makes a client and reads an item. Code comes from the assets that a deployment makes;
nothing writes to them, nor to boto3, which has its bytecode as in Lambda's runtime. All answer from
the same ministack. The interpreter's own start is not counted: Lambda's runtime is up before a
handler is imported.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import boto3

from benchmarks.history import note
from benchmarks.start.deployed import compile_what_lambda_brings, deployed, library_layer
from local.emulator import emulator

TABLE = "bench-start"
BARE = "bare: boto3, one client, one read"

_TIMED = """
import sys, time
from types import SimpleNamespace
sys.path[:0] = {folders!r}
context = SimpleNamespace(
    aws_request_id="request", function_name="counters", memory_limit_in_mb=512,
    invoked_function_arn="arn", get_remaining_time_in_millis=lambda: 3000,
)
event = {event!r}
began, spent = time.perf_counter(), time.process_time()
{body}
answer = handler(event, context)
taken, spent = time.perf_counter() - began, time.process_time() - spent
assert answer["statusCode"] == 200, answer
print(taken, spent)
"""
_BARE = """
import json
import os
import boto3
client = boto3.client("dynamodb")
def handler(event, context):
    reply = client.get_item(TableName=os.environ["INTERLOCK_TABLE"], Key={"pk": {"S": "counter#a"}})
    return {"statusCode": 200, "body": json.dumps(reply["Item"]["value"]["N"])}
"""
_OURS = "from handler import handler"
_LOCK = """
import os
from interlock import LockClient
locks = LockClient(os.environ["INTERLOCK_TABLE"])
def handler(event, context):
    with locks.acquire("a"):
        return {"statusCode": 200}
"""


def event(method: str, resource: str, body: object = None) -> dict[str, object]:
    """Return what API Gateway sends."""
    return {
        "httpMethod": method,
        "resource": resource,
        "path": resource.replace("{name}", "a"),
        "pathParameters": {"name": "a"},
        "headers": {} if body is None else {"Content-Type": "application/json"},
        "queryStringParameters": None,
        "body": None if body is None else json.dumps(body),
        "requestContext": {"requestId": "request"},
    }


LAYERS = {
    "sources, documented": {"documented": True},
    "sources": {},
    "sources of the blocking half": {"aio": False},
    "sources and bytecode for one Python": {"compiled": True},
    "the same of the blocking half": {"compiled": True, "aio": False},
}
READ = event("GET", "/counters/{name}")
CHANGE = event("POST", "/counters/{name}/increment", {"amount": 1})


@dataclass(frozen=True)
class Case:
    """A handler, what it is sent, and where its code is."""

    body: str
    sent: dict[str, object]
    environment: dict[str, str]
    folders: tuple[Path, ...] = ()

    def start(self) -> tuple[float, float]:
        """Start one interpreter; return the seconds from its first import to its first answer.

        And those of them that it computed, which tell more on a busy machine, and in a function
        that has a part of a processor.
        """
        folders = [str(folder) for folder in self.folders]
        code = _TIMED.format(folders=folders, event=self.sent, body=self.body)
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**self.environment, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(done.stderr)
        taken, spent = map(float, done.stdout.splitlines()[-1].split())
        return taken, spent


def compare(endpoint: str, rounds: int, folder: Path) -> None:
    """Print the median of each handler, and its ratio to the bare one."""
    credentials = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": endpoint,
    }
    os.environ.update(credentials)
    boto3.client("dynamodb").create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    from interlock import CounterClient  # noqa: PLC0415 - after the environment is set

    CounterClient(TABLE).counter("a").increment()
    kms = boto3.client("kms")
    key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    plain = {
        **os.environ,
        "INTERLOCK_TABLE": TABLE,
        "POWERTOOLS_SERVICE_NAME": "counters",
        "POWERTOOLS_METRICS_NAMESPACE": "Interlock",
        "POWERTOOLS_TRACE_DISABLED": "true",
    }
    with_bytecode = deployed(folder / "with", compiled=True)
    without = deployed(folder / "without", compiled=False)
    sizes(folder)
    compile_what_lambda_brings()
    signing = {**plain, "INTERLOCK_SIGNING_KEY": key}
    traced = {
        **signing,
        "POWERTOOLS_TRACE_DISABLED": "false",
        "LAMBDA_TASK_ROOT": str(with_bytecode[0]),
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:9",  # UDP: no program has to listen
        "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;"
        "Parent=53995c3f42cd8ad8;Sampled=1",
    }
    cases = {
        BARE: Case(_BARE, READ, plain),
        "counters, first a read": Case(_OURS, READ, signing, with_bytecode),
        "the same without its bytecode": Case(_OURS, READ, signing, without),
        "counters, first a change with receipt": Case(_OURS, CHANGE, signing, with_bytecode),
        "counters without a signing key, a read": Case(_OURS, READ, plain, with_bytecode),
        "counters with X-Ray's SDK, a read": Case(_OURS, READ, traced, with_bytecode),
        "a lock client, its first lock": Case(_LOCK, READ, plain, with_bytecode),
        "the same lock without bytecode": Case(_LOCK, READ, plain, without),
    }
    measured: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for _ in range(rounds + 1):
        for name, case in cases.items():
            measured[name].append(case.start())
    goals = "goals: a read 0.6 x, a lock 0.35 x"
    print(f"\nfirst import to first answer, median of {rounds} ({goals})")
    print(f"{'':44} {'elapsed':>10} {'':8} {'computing':>10}")
    bare = _medians(measured[BARE])
    for name, times in measured.items():
        taken, spent = _medians(times)
        print(
            f"  {name:42} {taken * 1e3:7.1f} ms {taken / bare[0]:6.2f} x "
            f"{spent * 1e3:7.1f} ms {spent / bare[1]:6.2f} x"
        )
        note(
            "start",
            "first answer",
            name,
            seconds=taken,
            against_bare=taken / bare[0],
            computing_seconds=spent,
            computing_against_bare=spent / bare[1],
        )


def sizes(folder: Path) -> None:
    """Print what the layer of the library alone is on the way to Lambda: a zip."""
    print("\nthe layer of the library alone")
    for number, (name, made) in enumerate(LAYERS.items()):
        layer = library_layer(folder / f"layer-{number}", **made)
        archive = Path(shutil.make_archive(str(folder / f"zip-{number}"), "zip", layer))
        size = archive.stat().st_size / 1e3
        print(f"  {name:42} {size:7.0f} KB, zipped")
        note("start", "the layer of the library alone", name, zipped_kilobytes=size)


def _medians(times: list[tuple[float, float]]) -> tuple[float, float]:
    taken, spent = zip(*times[1:], strict=True)  # the first round warms up
    return statistics.median(taken), statistics.median(spent)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with emulator() as running, tempfile.TemporaryDirectory() as folder:
        compare(running.endpoint, rounds, Path(folder))


if __name__ == "__main__":
    main()
