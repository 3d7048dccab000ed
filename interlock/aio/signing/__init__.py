"""Signatures whose keys never leave KMS, and their verification without KMS.

Importing this module, and signing, need aiobotocore only; `Verifier` and HTTP message signatures
need `interlock[verify]`. Both halves of the library offer the same.
"""

import importlib
from typing import TYPE_CHECKING, Any

from interlock._exports import without

if TYPE_CHECKING:
    from interlock._sigv4 import SigV4, sigv4
    from interlock.aio.signing._delegated import DelegatedSigner
    from interlock.aio.signing._http import sign_message, verify_message
    from interlock.aio.signing._hybrid import HybridSigner
    from interlock.aio.signing._items import SignedItem
    from interlock.aio.signing._kms_verifier import KmsVerifier
    from interlock.aio.signing._mac import Mac
    from interlock.aio.signing._signer import Signer, jwks
    from interlock.aio.signing._verifier import HybridVerifier, Verifier

__all__ = [
    "DelegatedSigner",
    "HybridSigner",
    "HybridVerifier",
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
_VERIFY = ("jwt", "cryptography")
_MESSAGES = (*_VERIFY, "http_message_signatures", "http_sf")
without(
    __all__,
    {
        "DelegatedSigner": ("cryptography",),
        "HybridVerifier": _VERIFY,
        "Verifier": _VERIFY,
        "sign_message": _MESSAGES,
        "verify_message": _MESSAGES,
    },
)

_HOMES = {
    "DelegatedSigner": "interlock.aio.signing._delegated",
    "HybridSigner": "interlock.aio.signing._hybrid",
    "HybridVerifier": "interlock.aio.signing._verifier",
    "KmsVerifier": "interlock.aio.signing._kms_verifier",
    "Mac": "interlock.aio.signing._mac",
    "SigV4": "interlock._sigv4",
    "SignedItem": "interlock.aio.signing._items",
    "Signer": "interlock.aio.signing._signer",
    "Verifier": "interlock.aio.signing._verifier",
    "jwks": "interlock.aio.signing._signer",
    "sign_message": "interlock.aio.signing._http",
    "sigv4": "interlock._sigv4",
    "verify_message": "interlock.aio.signing._http",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        if error.name in _MESSAGES:
            raise ImportError(
                f"{name} needs {error.name}: pip install 'interlock[verify]'"
            ) from error
        raise


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
