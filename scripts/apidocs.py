"""Write the tables of docs/api.md from the OpenAPI document: `python -m scripts.apidocs`.

`--check` writes nothing, and exits with 1 if the page is out of date.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "lambda" / "counters" / "openapi.json"
PAGE = ROOT / "docs" / "api.md"
_BETWEEN = "<!-- {0}: by scripts/apidocs.py -->\n{1}<!-- end of {0} -->"


def routes(document: dict[str, Any]) -> Iterator[str]:
    """Yield the rows of the table of routes."""
    yield "| route | does | takes | answers |"
    yield "|---|---|---|---|"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            takes = [*_parameters(document, operation), *_body(document, operation)]
            answers = ", ".join(sorted(operation["responses"]))
            public = "; public" if operation.get("security") == [] else ""
            yield (
                f"| `{method.upper()} {path}` | {operation['summary']}{public} "
                f"| {', '.join(takes) or 'nothing'} | {answers} |"
            )


def statuses(document: dict[str, Any]) -> Iterator[str]:
    """Yield the rows of the table of refusals."""
    found: dict[str, str] = {}
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    found[status] = _resolved(document, response)["description"]
    yield "| status | meaning |"
    yield "|---|---|"
    yield from (f"| {status} | {meaning} |" for status, meaning in sorted(found.items()))


def written(page: str, document: dict[str, Any]) -> str:
    """Return the page with its tables made anew."""
    for name, rows in (("routes", routes(document)), ("statuses", statuses(document))):
        pattern = re.escape(_BETWEEN.format(name, "@")).replace("@", ".*?")
        table = _BETWEEN.format(name, "\n" + "\n".join(rows) + "\n\n")
        before, found, after = _parted(pattern, page)
        if not found:
            raise ValueError(f"the page has no place for {name}")
        page = before + table + after
    return page


def _parted(pattern: str, page: str) -> tuple[str, bool, str]:
    """Return what is before and after the first match, and whether there is one."""
    match = re.search(pattern, page, flags=re.DOTALL)
    if match is None:
        return page, False, ""
    return page[: match.start()], True, page[match.end() :]


def main() -> int:
    """Write, or check; return the exit status."""
    page = PAGE.read_text(encoding="utf-8")
    made = written(page, json.loads(DOCUMENT.read_text(encoding="utf-8")))
    if "--check" not in sys.argv:
        PAGE.write_text(made, encoding="utf-8")
    elif made != page:
        sys.stderr.write("docs/api.md is out of date: python -m scripts.apidocs\n")
        return 1
    return 0


def _parameters(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[str]:
    for part in operation.get("parameters", ()):
        parameter = _resolved(document, part)
        if parameter["in"] == "query":
            yield f"`?{parameter['name']}`"
        elif parameter["in"] == "header":
            yield f"`{parameter['name']}`"


def _body(document: dict[str, Any], operation: dict[str, Any]) -> Iterator[str]:
    if "requestBody" not in operation:
        return
    schema = _resolved(document, operation["requestBody"]["content"]["application/json"]["schema"])
    needed = schema.get("required", [])
    members = (name if name in needed else f"{name}?" for name in schema["properties"])
    yield f"`{{{', '.join(members)}}}`"


def _resolved(document: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in part:
        return part
    found = document
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


if __name__ == "__main__":
    sys.exit(main())
