"""ministack, the emulator of AWS that the application is deployed to on this machine.

What differs from AWS, as far as it matters here: it never answers `TransactionConflict` and never
throttles; an Auto Scaling group starts no instance; an API's stage is served under
`/_aws/execute-api/<api id>/<stage>/`, a load balancer under `/_alb/<name>/`.
"""

import os
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3

from local import ROOT, STATE
from local.dynamodb_local import answers
from local.ports import LOOPBACK, free_port, is_free
from local.processes import Process, ProcessFailed

PREFERRED_PORT = 4566
ACCOUNT = "000000000000"
REGION = "us-east-1"
START_TIMEOUT = 60.0
BALANCER_KEY = "INTERLOCK_BALANCER_KEY"
"""The variable that names the file with the key of its load balancers (local/balancer.py)."""

_ATTEMPTS = 3
_GRACE = 1.0  # it keeps nothing, and would wait for functions that still start


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator."""

    endpoint: str
    process: Process
    data: Path
    """A folder that is removed when the emulator stops."""

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables for programs that are to use it instead of AWS."""
        return client_environment(self.endpoint)

    def client(self, service: str, **settings: Any) -> Any:
        """Return a boto3 client of a service that it emulates, with boto3's other settings."""
        make: Any = boto3.client  # typed by overloads of literal names
        return make(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            **settings,
        )


def client_environment(endpoint: str, inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return `inherited` (default: this process's) with AWS replaced by `endpoint`.

    Every other AWS_ variable is dropped, see `without_aws`.
    """
    return without_aws(inherited) | client_variables(endpoint)


def without_aws(inherited: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return `inherited` (default: this process's) without its AWS_ variables.

    Neither a profile nor real credentials of the developer can reach what is started with it.
    """
    source = os.environ if inherited is None else inherited
    return {name: value for name, value in source.items() if not name.startswith("AWS_")}


def client_variables(endpoint: str) -> dict[str, str]:
    """Return what replaces AWS by `endpoint`, with credentials that are worth nothing elsewhere."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # Cloud Map is asked at data-servicediscovery.<region>..., which is no name of loopback.
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true",
        "CDK_DEFAULT_ACCOUNT": ACCOUNT,
        "CDK_DEFAULT_REGION": REGION,
        "NO_PROXY": "*",  # everything is on loopback
        "no_proxy": "*",
    }


def server_environment(port: int, data: Path) -> dict[str, str]:
    """Return the environment for an emulator on `port` that writes below `data` only."""
    environment = client_environment(f"http://{LOOPBACK}:{port}")
    # Strict mode refuses functions without Docker: never inherited from the caller's shell.
    environment.pop("LAMBDA_STRICT", None)
    return environment | {
        "GATEWAY_PORT": str(port),
        "BIND_HOST": LOOPBACK,
        "MINISTACK_HOST": LOOPBACK,
        "MINISTACK_REGION": REGION,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
        "IOT_MTLS_ENABLED": "0",
        "PERSIST_STATE": "0",
        "STATE_DIR": str(data),
        "TMPDIR": str(data),
    }


@contextmanager
def emulator(
    *,
    preferred_port: int | None = None,
    balancer_key: Path | None = None,
    state: Path = STATE,
    say: Callable[[str], None] = print,
) -> Iterator[Emulator]:
    """Run an empty emulator on loopback.

    It takes `preferred_port` if that is free, else says so and takes another. Its data are
    removed afterwards, its log is kept below `state`. With `balancer_key`, a private key as PEM,
    its load balancers can sign people in. Raises ProcessFailed with the log's tail.
    """
    program = "ministack" if balancer_key is None else "local.balancer"
    signing = {} if balancer_key is None else {BALANCER_KEY: str(balancer_key)}
    for attempt in range(1, _ATTEMPTS + 1):
        port = _port(preferred_port, say)
        data = state / "run" / f"ministack-{uuid.uuid4().hex[:8]}"
        with Process(
            "ministack",
            [sys.executable, "-m", program],
            log=state / "logs" / f"ministack-{port}.log",
            environment=server_environment(port, data) | signing,
            directory=ROOT,
            records=state / "run",
            scratch=data,
            grace=_GRACE,
        ) as process:
            endpoint = f"http://{LOOPBACK}:{port}"
            try:
                process.wait_until(partial(_healthy, endpoint), timeout=START_TIMEOUT)
            except ProcessFailed:
                if attempt == _ATTEMPTS or process.returncode is None:
                    raise
                continue  # another program took the port in between
            yield Emulator(endpoint, process, data)
            return


def _port(preferred: int | None, say: Callable[[str], None]) -> int:
    if preferred is None:
        return free_port()
    if is_free(preferred):
        return preferred
    other = free_port()
    say(f"Port {preferred} is in use by another program: using {other} instead.")
    return other


def _healthy(endpoint: str) -> bool:
    return answers(f"{endpoint}/_ministack/health")
