"""Signatures over DynamoDB items, kept within them."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from interlock._drivers.unshared import Unshared
from interlock._exports import public_in
from interlock._protocol.kinds import checked_object
from interlock._protocol.signing.items import ItemLayout
from interlock.errors import BadSignature

if TYPE_CHECKING:
    from interlock.aio.signing._signer import Signer
    from interlock.aio.signing._verifier import Verifier


@public_in("interlock.aio.signing")
class SignedItem(Unshared):
    """The attributes of a table's items that are signed, and the one that keeps the signature.

    Name the primary key's attributes among `attributes`: a signature that does not cover the key
    is as good on another item. The table's name is signed too. A signature proves who wrote the
    attributes, not that they are the latest: sign a version number to detect an older item.
    """

    def __init__(
        self, table: str, attributes: Collection[str], *, signature: str = "signature"
    ) -> None:
        self._layout = ItemLayout(table, attributes, signature)
        self._signature = signature

    def payload(self, item: Mapping[str, Any]) -> bytes:
        """Return the bytes that are signed: equal items give equal bytes, others do not.

        Compact JSON of typed values: attribute names in order, sets in order, numbers in their
        one decimal form (1.0 is 1), binaries in base64. An attribute that is absent is left out,
        so adding or removing one changes the bytes. Raises InvalidValue for a value that
        DynamoDB cannot hold.
        """
        return self._layout.payload(item)

    async def sign(self, item: Mapping[str, Any], signer: "Signer") -> dict[str, Any]:
        """Return a copy of the item with its signature. Raises what `Signer.sign` raises."""
        payload = self.payload(item)
        checked_object("signer", signer, ("sign_detached",), "a Signer")
        return {**item, self._signature: await signer.sign_detached(payload)}

    async def verify(self, item: Mapping[str, Any], verifier: "Verifier") -> None:
        """Return if the item is as it was signed.

        Raises BadSignature if it is not, or has no signature, or what `Verifier.verify` raises.
        """
        payload = self.payload(item)
        checked_object("verifier", verifier, ("verify_detached",), "a Verifier")
        token = item.get(self._signature)
        if not isinstance(token, str):
            raise BadSignature(f"the item has no signature in {self._signature!r}")
        await verifier.verify_detached(token, payload)
