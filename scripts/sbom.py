"""Write the software bill of materials of a wheel: `make sbom`.

It lists what an installation with all extras has, by the versions that the tests ran with. The
release publishes it, with an attestation that binds it to the distributions.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from stacks.sbom import write_sbom

ROOT = Path(__file__).parent.parent
UV = Path(sys.executable).with_name("uv")
EXTRAS = "aio,cdk,cli,verify"


def main(wheel: str, target: str) -> None:
    """Install the wheel into a folder of its own, and write the list of what is there."""
    with TemporaryDirectory() as folder:
        subprocess.run(  # noqa: S603 - ours
            [
                *(UV, "pip", "install", "--quiet", "--target", folder),
                *("--python", sys.executable, "--constraint", ROOT / "requirements-dev.txt"),
                f"{Path(wheel).resolve()}[{EXTRAS}]",
            ],
            check=True,
        )
        path = Path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sbom(Path(folder), path, of="interlock")


if __name__ == "__main__":
    main(*sys.argv[1:])
