"""Signatures whose keys never leave KMS, and their verification without KMS.

Importing this module, and signing, need boto3 only; `Verifier` and HTTP message signatures need
`interlock[verify]`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interlock.signing._http import sign_message, verify_message
    from interlock.signing._items import SignedItem
    from interlock.signing._kms_verifier import KmsVerifier
    from interlock.signing._mac import Mac
    from interlock.signing._signer import Signer, jwks
    from interlock.signing._sigv4 import SigV4, sigv4
    from interlock.signing._verifier import Verifier

__all__ = [
    "KmsVerifier",
    "Mac",
    "SigV4",
    "SignedItem",
    "Signer",
    "Verifier",
    "jwks",
    "sign_message",
    "sigv4",
    "verify_message",
]

_HOMES = {
    "KmsVerifier": "interlock.signing._kms_verifier",
    "Mac": "interlock.signing._mac",
    "SigV4": "interlock.signing._sigv4",
    "SignedItem": "interlock.signing._items",
    "Signer": "interlock.signing._signer",
    "Verifier": "interlock.signing._verifier",
    "jwks": "interlock.signing._signer",
    "sign_message": "interlock.signing._http",
    "sigv4": "interlock.signing._sigv4",
    "verify_message": "interlock.signing._http",
}

_BROUGHT_BY_VERIFY = ("jwt", "cryptography", "http_message_signatures")


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if error.name in _BROUGHT_BY_VERIFY:
            raise ImportError(
                f"{name} needs {error.name}: pip install 'interlock[verify]'"
            ) from error
        raise


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
