"""What is built is whole, and works where nothing of the checkout is."""

import json
import subprocess
import tarfile
import zipfile
from email.parser import Parser

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("package")]


def run(python, program, directory):
    """Run a program away from the checkout, and return what it prints."""
    done = subprocess.run(
        [python, "-c", program], cwd=directory, check=True, capture_output=True, text=True
    )
    return done.stdout


def test_the_wheel_holds_the_library_alone_and_its_types(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    folders = {name.split("/")[0] for name in names}
    (metadata,) = (folder for folder in folders if folder.endswith(".dist-info"))
    assert folders == {"interlock", metadata}
    assert "interlock/py.typed" in names
    assert f"{metadata}/licenses/LICENSE" in names
    assert not [name for name in names if name.endswith((".pyc", ".so"))]


def test_the_metadata_tells_what_users_look_for(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
    metadata = Parser().parsestr(archive.read(name).decode())
    assert (metadata["Name"], metadata["License-Expression"]) == ("interlock", "Apache-2.0")
    assert metadata["Requires-Python"] == ">=3.11"
    assert set(metadata.get_all("Provides-Extra") or ()) == {"aio", "cdk", "cli", "verify"}
    needed = [line for line in metadata.get_all("Requires-Dist") or () if "extra ==" not in line]
    assert [line.split(">")[0] for line in needed] == ["boto3"]
    assert str(metadata.get_payload()).startswith("# Interlock")


def test_the_source_distribution_holds_what_builds_the_wheel_and_nothing_else(dist):
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {name.split("/")[0] for name in names} == {
        *("interlock", "pyproject.toml", "PKG-INFO", "README.md", "CHANGELOG.md", "LICENSE"),
        ".gitignore",  # the build's own doing, so that a wheel made from it is the same
    }


def test_the_runtime_needs_boto3_and_what_that_needs(install, tmp_path):
    python = install()
    program = (
        "import json, importlib.metadata as m, interlock;"
        "[getattr(interlock, name) for name in interlock.__all__ if name != 'Verifier'];"
        "print(json.dumps([sorted(d.name.lower() for d in m.distributions()), interlock.__file__]))"
    )
    installed, file = json.loads(run(python, program, tmp_path))
    assert "site-packages" in file
    assert set(installed) == {
        *("interlock", "boto3", "botocore", "jmespath", "python-dateutil", "s3transfer", "six"),
        "urllib3",
    }


@pytest.mark.parametrize(
    ("statement", "extra"),
    [
        ("import interlock.constructs", "cdk"),
        ("import interlock.cli", "cli"),
        ("from interlock import Verifier", "verify"),
        ("from interlock.signing import sign_message", "verify"),
    ],
)
def test_a_missing_extra_is_named(bare, tmp_path, statement, extra):
    done = subprocess.run(
        [bare, "-c", statement], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert f"interlock[{extra}]" in done.stderr


@pytest.fixture(scope="module")
def bare(install):
    return install()


def test_the_command_is_installed_with_its_extra(install, tmp_path):
    python = install("cli", "verify")
    command = python.with_name("interlock")
    told = subprocess.run(
        [command, "--help"], cwd=tmp_path, check=True, capture_output=True, text=True
    ).stdout
    assert "counter" in told
    assert "receipt" in told
