"""Measure a function's fresh environment from its first import to its first answer.

    python -m benchmarks.start [--rounds 15]

Each round starts one interpreter for each handler, in turn: the counter function as it is deployed
(with the key that signs receipts), the same without a key, and a bare handler that imports boto3,
makes a client and reads an item. All answer from the same ministack. The interpreter's own start is
not counted: Lambda's runtime is up before a handler is imported.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import boto3

from benchmarks.history import note
from local.emulator import emulator

ROOT = Path(__file__).resolve().parents[2]
FUNCTION = ROOT / "lambda" / "counters"
TABLE = "bench-start"
BARE = "bare: boto3, one client, one read"

_TIMED = """
import sys, time
from types import SimpleNamespace
sys.path[:0] = [{function!r}, {root!r}]
context = SimpleNamespace(
    aws_request_id="request", function_name="counters", memory_limit_in_mb=512,
    invoked_function_arn="arn", get_remaining_time_in_millis=lambda: 3000,
)
event = {event!r}
began = time.perf_counter()
{body}
answer = handler(event, context)
taken = time.perf_counter() - began
assert answer["statusCode"] == 200, answer
print(taken)
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


def event(method: str, resource: str, body: object = None) -> dict[str, object]:
    """Return what API Gateway sends."""
    return {
        "httpMethod": method,
        "resource": resource,
        "path": resource.replace("{name}", "a"),
        "pathParameters": {"name": "a"},
        "headers": {},
        "queryStringParameters": None,
        "body": None if body is None else json.dumps(body),
        "requestContext": {"requestId": "request"},
    }


READ = event("GET", "/counters/{name}")
CHANGE = event("POST", "/counters/{name}/increment", {"amount": 1})


def start(body: str, sent: dict[str, object], environment: dict[str, str]) -> float:
    """Start one interpreter, and return the seconds from its first import to its first answer."""
    code = _TIMED.format(function=str(FUNCTION), root=str(ROOT), event=sent, body=body)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return float(done.stdout.splitlines()[-1])


def compare(endpoint: str, rounds: int) -> None:
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
    signing = {**plain, "INTERLOCK_SIGNING_KEY": key}
    traced = {
        **signing,
        "POWERTOOLS_TRACE_DISABLED": "false",
        "LAMBDA_TASK_ROOT": str(FUNCTION),
        "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:9",  # UDP: no program has to listen
        "_X_AMZN_TRACE_ID": "Root=1-5759e988-bd862e3fe1be46a994272793;"
        "Parent=53995c3f42cd8ad8;Sampled=1",
    }
    cases = {
        BARE: (_BARE, READ, plain),
        "counters, first a read": (_OURS, READ, signing),
        "counters, first a change with receipt": (_OURS, CHANGE, signing),
        "counters without a signing key, a read": (_OURS, READ, plain),
        "counters with X-Ray's SDK, a read": (_OURS, READ, traced),
    }
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds + 1):
        for name, case in cases.items():
            taken[name].append(start(*case))
    middles = {name: statistics.median(times[1:]) for name, times in taken.items()}
    print(f"\nfirst import to first answer, median of {rounds} (goal for a read: at most 1.35 x)")
    for name, middle in middles.items():
        print(f"  {name:40} {middle * 1e3:7.1f} ms  {middle / middles[BARE]:5.2f} x")
        note("start", "first answer", name, seconds=middle, against_bare=middle / middles[BARE])


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    with emulator() as running:
        compare(running.endpoint, rounds)


if __name__ == "__main__":
    main()
