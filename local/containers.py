"""Containers on this machine: which engine there is, the image, and one container as a process.

    python -m local.containers        builds the image and says its name, size and contents

docker and podman are taken as they are. Root without a Docker daemon, as in CI, has podman from
Debian's packages; two things are arranged for it there: its runtime refuses a mixture of both
versions of cgroups, so it sees a cgroup2 in a mount namespace of its own, and where no registry of
images is at hand, `mmdebstrap` makes the base from Debian's packages.
"""

import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local import STATE, cdk
from local.processes import ProcessFailed
from stacks.archive import write_image_context

IMAGE = "localhost/interlock-service:local"
BASE = "localhost/interlock-base:bookworm"
BUILD_TIMEOUT = 300.0
STOP_TIMEOUT = 10
"""Seconds that a container has between SIGTERM and SIGKILL."""

_SUITE = "bookworm"  # its Python is 3.11, for which the wheels are
_PACKAGES = ("python3-minimal", "libpython3-stdlib", "netbase", "tzdata")
_PLATFORMS = {"x86_64": "x86_64-manylinux_2_28", "aarch64": "aarch64-manylinux_2_28"}
_CGROUP2 = 'mount -t cgroup2 none /sys/fs/cgroup && exec podman "$@"'
_UNIFIED = Path("/sys/fs/cgroup/cgroup.controllers")


@dataclass(frozen=True, slots=True)
class Image:
    """A built image."""

    name: str
    megabytes: float
    sbom: Path


@dataclass(frozen=True, slots=True)
class Engine:
    """A container engine: how its command is called, and what this machine's one needs."""

    name: str
    prefix: tuple[str, ...]
    build_options: tuple[str, ...] = ()
    run_options: tuple[str, ...] = ()

    def command(self, *arguments: str) -> list[str]:
        """Return the command line that runs the engine with `arguments`."""
        return [*self.prefix, *arguments]

    def run(self, *arguments: str, timeout: float = BUILD_TIMEOUT) -> str:
        """Run the engine to its end and return what it prints. Raises ProcessFailed."""
        return _run(self.command(*arguments), timeout=timeout)

    def start_command(
        self, name: str, image: str, environment: Mapping[str, str]
    ) -> tuple[list[str], list[str]]:
        """Return the command that runs a container until it ends, and the one that removes it.

        The first takes SIGTERM and hands it on. The container has the host's network, no
        capability, nothing to write to but a /tmp in memory; of this machine's environment it
        gets the variables that `environment` names, whose values no command line shows.
        """
        variables = [part for key in sorted(environment) for part in ("--env", key)]
        start = self.command(
            *("run", "--name", name, "--rm", "--network", "host", "--log-driver", "none"),
            *("--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges"),
            *("--stop-timeout", str(STOP_TIMEOUT), *self.run_options, *variables, image),
        )
        return start, self.command("rm", "--force", name)

    def pid(self, name: str) -> int:
        """Return the process id that the container's first process has on this machine."""
        return int(self.run("inspect", "--format", "{{.State.Pid}}", name, timeout=10))


def engine() -> Engine | None:
    """Return the engine of this machine, None if there is none that works.

    Only Linux lets a container listen on this machine's own loopback addresses.
    """
    if sys.platform != "linux":
        return None
    candidates = [Engine("docker", ("docker",)), _podman()]
    return next((each for each in candidates if _works(each)), None)


def _podman() -> Engine:
    if _UNIFIED.exists() or os.geteuid() != 0:
        return Engine("podman", ("podman",))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limits = [f"nofile={soft}:{hard}", "nproc=1024:1024"]  # more than these may not be asked for
    return Engine(
        "podman",
        ("unshare", "--mount", "sh", "-c", _CGROUP2, "podman"),
        build_options=("--isolation", "chroot"),
        run_options=("--cgroups=disabled", *(f"--ulimit={limit}" for limit in limits)),
    )


def _works(candidate: Engine) -> bool:
    if shutil.which(candidate.name) is None:
        return False
    try:
        candidate.run("info", timeout=20)
    except ProcessFailed:
        return False
    return True


def build(running: Engine, *, state: Path = STATE) -> Image:
    """Build the service's image; the list of its packages is kept below `state`.

    Raises ProcessFailed with the end of what the engine says.
    """
    machine = platform.machine()
    if machine not in _PLATFORMS:
        raise ProcessFailed(f"there are no wheels for {machine}; it is one of {[*_PLATFORMS]}")
    state.mkdir(parents=True, exist_ok=True)
    base = _base(running)
    # What writes the archive stands beside the constructs, whose jsii starts the first `node`.
    os.environ |= cdk.environment()
    with tempfile.TemporaryDirectory(dir=state, prefix="image-") as folder:
        sbom = write_image_context(Path(folder), _PLATFORMS[machine])
        # Docker's own form, for the health check has no place in the other.
        form = ("--format", "docker") if running.name == "podman" else ()
        running.run(
            *("build", "--quiet", "--tag", IMAGE, *form, *running.build_options),
            *(("--build-arg", f"BASE={base}") if base else ()),
            folder,
        )
        kept = state / sbom.name
        shutil.copy(sbom, kept)
    size = running.run("image", "inspect", "--format", "{{.Size}}", IMAGE)
    return Image(IMAGE, int(size) / 1e6, kept)


def _base(running: Engine) -> str | None:
    """Return the base that is made here, or None: the Dockerfile's own, from a registry."""
    if shutil.which("mmdebstrap") is None:
        return None
    if running.run("images", "--quiet", BASE):
        return BASE
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "base.tar"
        # Unpacked only: no package's script runs, and no package manager or shell is in it.
        _run(
            [
                *("mmdebstrap", "--quiet", "--variant=extract"),
                *(f"--include={','.join(_PACKAGES)}", _SUITE, str(archive)),
            ],
            timeout=BUILD_TIMEOUT,
        )
        running.run("import", str(archive), BASE)
    return BASE


def _run(command: list[str], *, timeout: float) -> str:
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=timeout)
    except subprocess.CalledProcessError as error:
        said = "\n".join((error.stdout + error.stderr).splitlines()[-20:])
        raise ProcessFailed(f"{' '.join(command)} failed:\n{said}") from error
    except subprocess.TimeoutExpired as error:
        raise ProcessFailed(f"{' '.join(command)} took over {timeout:g} s") from error
    return done.stdout.strip()


def main() -> int:
    """Build the image; return the exit status."""
    found = engine()
    if found is None:
        sys.stderr.write("there is neither podman nor docker here that works\n")
        return 1
    try:
        image = build(found)
    except ProcessFailed as error:
        sys.stderr.write(f"{error}\n")
        return 1
    print(f"{image.name}  {image.megabytes:.0f} MB, built by {found.name}; holds {image.sbom}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
