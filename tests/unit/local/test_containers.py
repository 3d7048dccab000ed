"""The image of the service, as far as it needs no container engine."""

import shutil
import sys
from pathlib import Path

from local import containers
from local.cdk import NODE_BIN


class Recorder(containers.Engine):
    """An engine that builds whatever it is given."""

    def run(self, *_arguments, timeout=containers.BUILD_TIMEOUT):
        assert timeout
        return "1000000"


def test_an_image_is_built_on_a_machine_without_node(monkeypatch, tmp_path):
    found: list[str | None] = []

    def write(folder, _platform):
        found.append(shutil.which("node"))
        sbom = folder / "sbom.cdx.json"
        sbom.write_text("{}")
        return sbom

    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION", "")
    monkeypatch.setattr(containers, "write_image_context", write)
    monkeypatch.setattr(containers, "_base", lambda _: None)
    containers.build(Recorder("docker", ("docker",)), state=tmp_path)
    (node,) = found
    assert node is not None
    assert Path(node).parent in {NODE_BIN, Path(sys.executable).parent}
