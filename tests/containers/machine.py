#!/usr/bin/python3.11
"""A machine of EC2, in a container: what AWS puts around user data, and a stand-in for systemd.

It runs in the container under the names of the commands that it stands for: the package manager,
`aws`, CloudFormation's `cfn-signal`, CloudWatch's agent, and `systemctl`, for systemd itself wants
control groups, which the container has none of. All else is the real thing: bash, curl, useradd.

As `machine` it answers instance metadata at 169.254.169.254, runs the user data to its end and
prints what came of it as JSON.
"""

import http.server
import json
import os
import pwd
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

SERVED = Path("/served")
"""Mounted: the user data, and below `bucket` what S3 has."""

CALLS = Path("/var/lib/machine")
INSTANCE = "i-0123456789abcdef0"
KEY = "the-value-of-the-key"
_METADATA = "169.254.169.254"
_HEALTH = "https://127.0.0.1:8080/healthz"
_NAMES = {
    "aws": "/usr/local/bin/aws",
    "dnf": "/usr/local/bin/dnf",
    "systemctl": "/usr/local/bin/systemctl",
    "cfn-signal": "/opt/aws/bin/cfn-signal",
    "amazon-cloudwatch-agent-ctl": (
        "/opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl"
    ),
}


class Metadata(http.server.BaseHTTPRequestHandler):
    """IMDSv2: nothing is said without a token."""

    def do_PUT(self) -> None:
        wanted = self.path == "/latest/api/token"
        lasting = self.headers["x-aws-ec2-metadata-token-ttl-seconds"]
        self._answer(200 if wanted and lasting else 400, "token")

    def do_GET(self) -> None:
        if self.headers["x-aws-ec2-metadata-token"] != "token":
            self._answer(401, "")
        elif self.path == "/latest/meta-data/instance-id":
            self._answer(200, INSTANCE)
        else:
            self._answer(404, "")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


def aws(*arguments: str) -> int:
    """Stand for S3, API Gateway and the load balancer, whose target group asks as it is told to."""
    if arguments[:2] == ("s3", "cp"):
        source = SERVED / "bucket" / urlsplit(arguments[2]).path.lstrip("/")
        if not source.exists():
            sys.stderr.write("fatal error: An error occurred (404) when calling HeadObject\n")
            return 1
        shutil.copy(source, arguments[3])
    elif arguments[:2] == ("apigateway", "get-api-key"):
        sys.stdout.write(f"{KEY}\n")
    elif arguments[:2] == ("elbv2", "describe-target-health"):
        asked = subprocess.run(["curl", "-fsk", _HEALTH], capture_output=True, check=False)
        sys.stdout.write("healthy\n" if asked.stdout == b"ok" else "unhealthy\n")
    else:
        return 252
    return 0


def dnf(*arguments: str) -> int:
    """Install nothing: Debian's packages are there; a package that this does not know fails."""
    known = {"python3.11", "unzip", "logrotate", "amazon-cloudwatch-agent"}
    return 0 if set(arguments) <= known | {"install", "--assumeyes", "--quiet"} else 1


def systemctl(*arguments: str) -> int:
    """Start the service as its unit says, without the sandbox: systemd-analyze judges that."""
    if arguments[:2] != ("enable", "--now"):
        return 0
    text = Path("/etc/systemd/system/interlock.service").read_text(encoding="utf-8")
    unit = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and line[0] != "#")
    lines = Path(unit["EnvironmentFile"]).read_text(encoding="utf-8").splitlines()
    user = pwd.getpwnam(unit["User"])
    logs = Path("/var/log", unit["LogsDirectory"])
    logs.mkdir()
    shutil.chown(logs, user.pw_uid, user.pw_gid)
    with Path(unit["StandardOutput"].removeprefix("append:")).open("ab") as log:
        subprocess.Popen(
            shlex.split(unit["ExecStart"]),
            cwd=unit["WorkingDirectory"],
            env=dict(line.split("=", 1) for line in lines if line),
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
            umask=int(unit["UMask"], 8),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    return 0


def machine() -> int:
    """Run the user data as cloud-init does, and print what came of it."""
    CALLS.mkdir()
    for path in map(Path, _NAMES.values()):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(__file__)
    for folder in (
        "/opt/aws/amazon-cloudwatch-agent/etc",
        "/etc/systemd/system",
        "/etc/logrotate.d",
    ):
        Path(folder).mkdir(parents=True, exist_ok=True)  # which the packages bring
    subprocess.run(["ip", "address", "add", f"{_METADATA}/32", "dev", "lo"], check=True)
    metadata = http.server.ThreadingHTTPServer((_METADATA, 80), Metadata)
    threading.Thread(target=metadata.serve_forever, daemon=True).start()
    script = Path("/var/lib/user-data")
    shutil.copy(SERVED / "user-data", script)
    script.chmod(0o700)
    done = subprocess.run([script], capture_output=True, text=True, check=False)
    sys.stdout.write(json.dumps(outcome(done)))
    return 0


def outcome(done: "subprocess.CompletedProcess[str]") -> dict[str, object]:
    """Return what the user data left behind."""
    calls = {path.name: json.loads(path.read_text()) for path in CALLS.iterdir()}
    settings, log = Path("/etc/interlock.env"), Path("/var/log/interlock/service.log")
    asked = subprocess.run(["curl", "-fsk", _HEALTH], capture_output=True, text=True, check=False)
    return {
        "status": done.returncode,
        "said": done.stdout[-2000:] + done.stderr[-2000:],
        "calls": calls,
        "health": asked.stdout,
        "settings": settings.read_text() if settings.exists() else None,
        "settings_mode": oct(settings.stat().st_mode & 0o777) if settings.exists() else None,
        "log": log.read_text()[-2000:] if log.exists() else None,
        "service_users": service_users(),
    }


def service_users() -> list[str]:
    """Return the users whose processes are the service."""
    users = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes().endswith(b"\0-m\0server\0"):
                users.append(pwd.getpwuid(folder.stat().st_uid).pw_name)
        except OSError:
            continue  # it has ended
    return users


def recorded(name: str, arguments: list[str]) -> None:
    """Note a call of a stand-in, for the test to look at."""
    path = CALLS / name
    calls = json.loads(path.read_text()) if path.exists() else []
    path.write_text(json.dumps([*calls, arguments]))


def main() -> int:
    """Do what the command does whose name this has."""
    name = Path(sys.argv[0]).name
    if name not in _NAMES:
        return machine()
    recorded(name, sys.argv[1:])
    stands_for = {"aws": aws, "dnf": dnf, "systemctl": systemctl}.get(name)
    return stands_for(*sys.argv[1:]) if stands_for else 0


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
