"""The archive of the service: what is in it, and the list of it."""

import json
import re

import pytest

from stacks.archive import DOCKERFILE, PYTHON, write_archive, write_image_context
from stacks.sbom import write_sbom


def package(folder, name, version, **metadata):
    place = folder / f"{name}-{version}.dist-info"
    place.mkdir()
    lines = [("Metadata-Version", "2.4"), ("Name", name), ("Version", version)]
    lines += [(key.replace("_", "-"), value) for key, value in metadata.items()]
    (place / "METADATA").write_text("".join(f"{key}: {value}\n" for key, value in lines))


def listed(folder):
    path = folder / "list.json"
    write_sbom(folder, path)
    return json.loads(path.read_text())


def test_the_list_names_each_package_with_its_version_and_licence(tmp_path):
    package(tmp_path, "Zebra", "2.0", License_Expression="MIT OR Apache-2.0")
    package(tmp_path, "ant", "1.5", Classifier="License :: OSI Approved :: BSD License")
    package(tmp_path, "mute", "3")
    document = listed(tmp_path)
    assert document["specVersion"] == "1.6"
    found = {each["purl"]: each.get("licenses") for each in document["components"]}
    assert found == {
        "pkg:pypi/ant@1.5": [{"license": {"name": "BSD License"}}],
        "pkg:pypi/mute@3": None,
        "pkg:pypi/zebra@2.0": [{"expression": "MIT OR Apache-2.0"}],
    }
    (application,) = (each for each in document["dependencies"] if each.get("dependsOn"))
    assert application["dependsOn"] == ["ant==1.5", "mute==3", "zebra==2.0"]
    assert document["serialNumber"].startswith("urn:uuid:")  # attestations demand one


def test_the_list_of_a_package_is_of_what_it_brings_with_it(tmp_path):
    package(tmp_path, "interlock", "1.2.3")
    package(tmp_path, "ant", "1.5")
    path = tmp_path / "list.json"
    write_sbom(tmp_path, path, of="interlock")
    document = json.loads(path.read_text())
    assert document["metadata"]["component"]["purl"] == "pkg:pypi/interlock@1.2.3"
    assert [each["purl"] for each in document["components"]] == ["pkg:pypi/ant@1.5"]
    assert {"ref": "interlock==1.2.3", "dependsOn": ["ant==1.5"]} in document["dependencies"]


def test_other_packages_give_the_list_another_number(tmp_path):
    package(tmp_path, "ant", "1.5")
    before = listed(tmp_path)["serialNumber"]
    package(tmp_path, "mute", "3")
    assert listed(tmp_path)["serialNumber"] != before


def test_the_same_packages_give_the_same_bytes(tmp_path):
    """Otherwise each synthesis would make another archive, each deployment another group."""
    package(tmp_path, "ant", "1.5")
    first, second = tmp_path / "1.json", tmp_path / "2.json"
    write_sbom(tmp_path, first)
    write_sbom(tmp_path, second)
    assert first.read_bytes() == second.read_bytes()


def test_processes_of_this_machine_need_no_packages(tmp_path):
    write_archive(tmp_path, None)
    assert {each.name for each in tmp_path.iterdir()} == {"interlock", "server"}
    assert not list(tmp_path.rglob("__pycache__"))


@pytest.mark.slow
def test_the_context_of_the_image_holds_the_pinned_versions(tmp_path):
    sbom = write_image_context(tmp_path, "x86_64-manylinux_2_28")
    pinned = dict(
        line.split(" ")[0].split("==")
        for line in (DOCKERFILE.parent / "requirements.txt").read_text().splitlines()
        if "==" in line and not line.startswith(" ")
    )
    components = json.loads(sbom.read_text())["components"]
    found = dict(each["bom-ref"].split("==") for each in components)
    assert {"starlette", "uvicorn", "aiohttp", "pyjwt", "cryptography"} <= found.keys()
    assert {name: pinned[name] for name in found} == found
    assert (tmp_path / "Dockerfile").read_bytes() == DOCKERFILE.read_bytes()


def test_the_base_is_pinned_by_its_digest_and_may_be_another():
    text = DOCKERFILE.read_text()
    (base,) = re.findall(r"^ARG BASE=(\S+)$", text, re.MULTILINE)
    assert re.fullmatch(rf"python:{PYTHON}-slim-bookworm@sha256:[0-9a-f]{{64}}", base)
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${BASE}", "${BASE}"]
