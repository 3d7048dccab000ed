"""The software bill of materials of a folder of installed packages: CycloneDX, as JSON.

https://cyclonedx.org/specification/overview/. Read from what is installed, not from what was
asked for, so that it lists what runs.
"""

import json
import re
import uuid
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

_NAME = "interlock-service"


def write_sbom(folder: Path, path: Path, of: str | None = None) -> None:
    """Write the list of the packages in `folder`; the same folder gives the same bytes.

    `of` is the package that the others are there for (default: the service, which is no package).
    """
    components = list(_components(folder))
    root = Component(name=_NAME, type=ComponentType.APPLICATION, bom_ref=_NAME)
    if of is not None:
        (root,) = (each for each in components if each.name == of)
        components.remove(root)
    bom = Bom(components=components)
    bom.metadata.component = root
    bom.register_dependency(root, bom.components)
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    # A time and a random id would give the archive another hash at each synthesis.
    del document["serialNumber"], document["metadata"]["timestamp"]
    listed = json.dumps(document, sort_keys=True)
    document["serialNumber"] = uuid.uuid5(uuid.NAMESPACE_OID, listed).urn
    path.write_text(json.dumps(document, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _components(folder: Path) -> Iterator[Component]:
    for package in sorted(distributions(path=[str(folder)]), key=lambda each: each.name.lower()):
        name = re.sub(r"[-_.]+", "-", package.name).lower()  # PEP 503
        yield Component(
            name=package.name,
            version=package.version,
            type=ComponentType.LIBRARY,
            purl=PackageURL("pypi", None, name, package.version),
            bom_ref=f"{name}=={package.version}",
            licenses=_licences(package),
        )


def _licences(package: Distribution) -> list[DisjunctiveLicense | LicenseExpression]:
    """Return what the package says: an SPDX expression (PEP 639), or else its classifiers."""
    expressions = package.metadata.get_all("License-Expression")
    if expressions:
        return [LicenseExpression(expressions[0])]
    classifiers = package.metadata.get_all("Classifier") or []
    return [
        DisjunctiveLicense(name=each.rpartition(" :: ")[2])
        for each in classifiers
        if each.startswith("License ::")
    ]
