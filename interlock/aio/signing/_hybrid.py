"""Signing with two keys: of one of today's algorithms, and of ML-DSA."""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from interlock._drivers.unshared import Unshared
from interlock._exports import public_in
from interlock._protocol.durations import seconds
from interlock._protocol.kinds import checked_object, optional_text
from interlock._protocol.signing.algorithms import base64url
from interlock._protocol.signing.client import json_bytes, with_times
from interlock._protocol.signing.hybrid import check_pair, protected, serialized
from interlock.aio.signing._signer import Signer
from interlock.errors import SigningError


@public_in("interlock.aio.signing")
class HybridSigner(Unshared):
    """Signs with two keys, so that a token holds until both algorithms are broken.

    `classical` signs by today's algorithms, `post_quantum` by ML-DSA. A token costs a KMS call of
    each and has 4 to 7 kB. Raises UnsupportedKey for keys of other algorithms, at the first use.
    """

    def __init__(
        self,
        classical: Signer,
        post_quantum: Signer,
        *,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        for name, signer in (("classical", classical), ("post_quantum", post_quantum)):
            checked_object(name, signer, ("key", "sign_bytes"), "a Signer")
        self._signers = (classical, post_quantum)
        self._wall_clock = wall_clock

    async def sign(
        self,
        claims: Mapping[str, Any],
        *,
        lifetime: timedelta | None = None,
        token_type: str | None = None,
    ) -> str:
        """Return the claims as a JWS with two signatures (RFC 7515, 7.2.1), as JSON.

        Otherwise as `Signer.sign`. Neither signature is a token by itself.
        """
        optional_text("token_type", token_type)
        lasting = None if lifetime is None else seconds("lifetime", lifetime)
        payload = base64url(json_bytes(with_times(claims, lasting, self._wall_clock())))
        # A key may be replaced between naming it and signing: name the new one then.
        for _ in range(2):
            keys = [await signer.key() for signer in self._signers]
            check_pair(keys)
            headers = [protected(key, keys, token_type) for key in keys]
            signatures = [
                await signer.sign_bytes(f"{header}.{payload}".encode())
                for signer, header in zip(self._signers, headers, strict=True)
            ]
            if [signature.key.kid for signature in signatures] == [key.kid for key in keys]:
                return serialized(payload, headers, signatures)
        raise SigningError("a signing key changed twice while one token was signed")
