"""`interlock receipt`: verify the signed receipts of changes."""

import base64
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from interlock.cli._api import Connection
from interlock.cli._group import MISUSE, REFUSED, Verbs, fail, show
from interlock.errors import InterlockError


@click.group(cls=Verbs)
def receipt() -> None:
    """Verify the signed receipts of changes.

    \b
    Example:
      interlock counter increment seats --json | jq -r .receipt | interlock receipt verify
    """


@receipt.command()
@click.argument("jws", default="-")
@click.option("--keys", type=click.Path(path_type=Path), help="The key set, as a file.")
@click.option("--issuer", envvar="INTERLOCK_ISSUER", show_envvar=True, help="Refuse any other.")
@click.option("--remote", is_flag=True, help="Let the API say it, instead of checking here.")
@click.pass_obj
def verify(
    api: Connection, jws: str, keys: Path | None, issuer: str | None, *, remote: bool
) -> None:
    """Say what a genuine receipt JWS states ("-", the default, reads it from standard input).

    The signature is checked here, with the key set that the API publishes, or that of a file.
    """
    text = sys.stdin.read().strip() if jws == "-" else jws
    if remote:
        stated = api.call("POST", "/receipts/verify", {"receipt": text})
    else:
        key_set = _read(keys) if keys else api.call("GET", "/.well-known/jwks.json")
        stated = _verified(text, key_set, issuer)
    show(stated, "\n".join(_told(stated)))


def _told(stated: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each thing that a receipt states; what it does not is left out."""
    for name, value in stated.items():
        if isinstance(value, bool):
            yield f"{name}: {'yes' if value else 'no'}"
        elif value is not None:
            yield f"{name}: {value}"


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        fail(f"{path}: {error.strerror}", MISUSE)
    except ValueError:
        fail(f"{path} is no JSON", MISUSE)


def _verified(text: str, keys: Any, issuer: str | None) -> dict[str, Any]:
    try:
        from interlock.receipts import ReceiptVerifier

        verifier = ReceiptVerifier(keys, issuer=issuer or _issuer_of(text))
        stated = verifier.verify(text)
    except ImportError:
        fail("checking here needs pip install 'interlock[cli,verify]'; or give --remote", MISUSE)
    except InterlockError as error:
        content = {"detail": str(error), "reason": type(error).__name__}
        fail(f"refused: {error}", REFUSED, content)
    return {**asdict(stated), "time": stated.time.isoformat()}


def _issuer_of(text: str) -> str:
    """Return the issuer that a receipt names: the key set decides whether it is genuine."""
    try:
        part = text.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return str(claims["iss"])
    except (IndexError, ValueError, KeyError, TypeError):
        return "unknown"  # the verifier says what is wrong with it
