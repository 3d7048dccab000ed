"""DER as far as KMS speaks it: ECDSA signatures and SubjectPublicKeyInfo.

Strict, as DER is (ITU-T X.690): definite and minimal lengths, minimal integers, nothing trailing.
Written out here so that signing needs nothing but boto3.
"""

from typing import NoReturn

_SEQUENCE = 0x30
_INTEGER = 0x02
_BIT_STRING = 0x03
_OBJECT_ID = 0x06

_LONG_FORM = 0x80
_UNCOMPRESSED_POINT = 0x04

# Dotted OID -> its DER content. RFC 5480 (curves), RFC 3279 (RSA), SEC 2 (secp256k1).
_EC_KEY = bytes.fromhex("2a8648ce3d0201")
_RSA_KEY = bytes.fromhex("2a864886f70d010101")
_CURVES = {
    bytes.fromhex("2a8648ce3d030107"): ("P-256", 32),
    bytes.fromhex("2b81040022"): ("P-384", 48),
    bytes.fromhex("2b81040023"): ("P-521", 66),
    bytes.fromhex("2b8104000a"): ("secp256k1", 32),
}
# RFC 8410 and RFC 9881: the key is the bit string itself.
_OCTETS = {
    bytes.fromhex("2b6570"): ("Ed25519", 32),
    bytes.fromhex("608648016503040311"): ("ML-DSA-44", 1312),
    bytes.fromhex("608648016503040312"): ("ML-DSA-65", 1952),
    bytes.fromhex("608648016503040313"): ("ML-DSA-87", 2592),
}


def der_to_raw(signature: bytes, size: int) -> bytes:
    """Turn KMS's ECDSA signature into JWS's: r and s, `size` bytes each (RFC 7518, 3.4).

    Raises ValueError for anything that is not the DER of two integers in [1, 256**size).
    """
    sequence = _Reader(signature).only(_SEQUENCE)
    r, s = sequence.integer(), sequence.integer()
    sequence.end()
    if r < 1 or s < 1:
        raise ValueError("an ECDSA signature's r and s are at least 1")
    try:
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    except OverflowError as error:
        raise ValueError(f"r or s is longer than the curve's {size} bytes") from error


def raw_to_der(signature: bytes, size: int) -> bytes:
    """Turn JWS's r and s into the DER that KMS and OpenSSL take.

    Raises ValueError unless the signature is two integers of `size` bytes, neither of them zero.
    """
    if len(signature) != 2 * size:
        raise ValueError(f"the signature has {len(signature)} bytes instead of {2 * size}")
    parts = signature[:size], signature[size:]
    numbers = [int.from_bytes(part, "big") for part in parts]
    if min(numbers) < 1:
        raise ValueError("an ECDSA signature's r and s are at least 1")
    return _tagged(_SEQUENCE, b"".join(_tagged(_INTEGER, _integer_bytes(n)) for n in numbers))


def ec_point(public_key: bytes) -> tuple[str, bytes, bytes] | None:
    """Return (JWK curve name, x, y) of a SubjectPublicKeyInfo, or None for another kind of key."""
    algorithm, bits = _key_info(public_key)
    if algorithm.take(_OBJECT_ID) != _EC_KEY:
        return None
    oid = algorithm.take(_OBJECT_ID)
    algorithm.end()
    if oid not in _CURVES:
        raise ValueError(f"unknown elliptic curve (object id {oid.hex()})")
    curve, size = _CURVES[oid]
    if len(bits) != 1 + 2 * size or bits[0] != _UNCOMPRESSED_POINT:
        raise ValueError(f"not an uncompressed point on {curve}")
    return curve, bits[1 : 1 + size], bits[1 + size :]


def rsa_numbers(public_key: bytes) -> tuple[bytes, bytes] | None:
    """Return (modulus, exponent), minimal big-endian, or None for another kind of key."""
    algorithm, bits = _key_info(public_key)
    if algorithm.take(_OBJECT_ID) != _RSA_KEY:
        return None
    numbers = _Reader(bits).only(_SEQUENCE)
    modulus, exponent = numbers.integer(), numbers.integer()
    numbers.end()
    return _minimal(modulus), _minimal(exponent)


def octet_key(public_key: bytes) -> tuple[str, bytes] | None:
    """Return (name of the algorithm, key) of an Ed25519 or ML-DSA key, None for another kind."""
    algorithm, bits = _key_info(public_key)
    oid = algorithm.take(_OBJECT_ID)
    if oid not in _OCTETS:
        return None
    algorithm.end()
    name, size = _OCTETS[oid]
    if len(bits) != size:
        raise ValueError(f"{len(bits)} bytes are no {name} key")
    return name, bits


def _key_info(public_key: bytes) -> tuple["_Reader", bytes]:
    info = _Reader(public_key).only(_SEQUENCE)
    algorithm = _Reader(info.take(_SEQUENCE))
    bits = info.take(_BIT_STRING)
    info.end()
    if not bits or bits[0] != 0:
        raise ValueError("a public key's bit string has no unused bits")
    return algorithm, bits[1:]


class _Reader:
    """Reads DER values from the start of some bytes to their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, tag: int) -> bytes:
        """Return the content of the next value, which must have this tag."""
        if self._byte() != tag:
            self._refuse(f"expected tag {tag:#04x}")
        length = self._length()
        content = self._data[self._at : self._at + length]
        if len(content) != length:
            self._refuse("a length that exceeds the data")
        self._at += length
        return content

    def only(self, tag: int) -> "_Reader":
        """Read the content of the one value that all the data is."""
        content = self.take(tag)
        self.end()
        return _Reader(content)

    def integer(self) -> int:
        content = self.take(_INTEGER)
        if not content:
            self._refuse("an integer without content")
        # A leading 00 or ff is only there to give the sign; otherwise another form says the same.
        if (
            len(content) > 1
            and content[0] in (0x00, 0xFF)
            and (content[0] ^ content[1]) < _LONG_FORM
        ):
            self._refuse("an integer that is not minimal")
        return int.from_bytes(content, "big", signed=True)

    def end(self) -> None:
        if self._at != len(self._data):
            self._refuse("trailing data")

    def _length(self) -> int:
        first = self._byte()
        if first < _LONG_FORM:
            return first
        count = first - _LONG_FORM
        if count == 0:
            self._refuse("an indefinite length")
        octets = bytes(self._byte() for _ in range(count))
        length = int.from_bytes(octets, "big")
        if octets[0] == 0 or length < _LONG_FORM:
            self._refuse("a length that is not minimal")
        return length

    def _byte(self) -> int:
        if self._at >= len(self._data):
            self._refuse("an early end")
        self._at += 1
        return self._data[self._at - 1]

    def _refuse(self, what: str) -> NoReturn:
        raise ValueError(f"not DER: {what} at byte {self._at}")


def _minimal(number: int) -> bytes:
    if number < 1:
        raise ValueError("an RSA key's numbers are positive")
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _integer_bytes(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _tagged(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < _LONG_FORM:
        return bytes((tag, length)) + content
    octets = _minimal(length)
    return bytes((tag, _LONG_FORM + len(octets))) + octets + content
