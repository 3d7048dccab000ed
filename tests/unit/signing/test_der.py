"""DER is read strictly and turned into fixed width and back without loss."""

import contextlib

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from hypothesis import given
from hypothesis import strategies as st

from interlock._protocol.signing.der import der_to_raw, ec_point, raw_to_der, rsa_numbers

ORDERS = {  # FIPS 186-4, D.1.2; SEC 2, 2.4.1
    "P-256": (32, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
    "secp256k1": (32, 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141),
    "P-384": (
        48,
        int("f" * 48 + "c7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16),
    ),
    "P-521": (
        66,
        int(
            "1ff" + "f" * 63 + "a51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
            16,
        ),
    ),
}
CURVES = pytest.mark.parametrize(("size", "order"), ORDERS.values(), ids=ORDERS.keys())


@CURVES
@given(data=st.data())
def test_conversion_agrees_with_cryptography_and_loses_nothing(size, order, data):
    # Small numbers are where leading zeros get lost; a uniform draw would never show one.
    number = st.one_of(st.integers(1, order - 1), st.integers(1, 2**64))
    r, s = data.draw(number), data.draw(number)
    der = encode_dss_signature(r, s)
    raw = der_to_raw(der, size)
    assert raw == r.to_bytes(size, "big") + s.to_bytes(size, "big")
    assert raw_to_der(raw, size) == der


@CURVES
def test_the_largest_numbers_fit(size, order):
    der = encode_dss_signature(order - 1, order - 1)
    assert raw_to_der(der_to_raw(der, size), size) == der


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_refused_or_are_the_one_encoding(data):
    try:
        raw = der_to_raw(data, 32)
    except ValueError:
        return
    assert encode_dss_signature(*decode_dss_signature(data)) == data == raw_to_der(raw, 32)


@given(st.data())
def test_a_signature_altered_in_one_byte_never_reads_as_the_same(data):
    der = bytearray(encode_dss_signature(data.draw(st.integers(1, 2**255)), 2**254 + 1))
    raw = der_to_raw(bytes(der), 32)
    der[data.draw(st.integers(0, len(der) - 1))] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(ValueError):
        assert der_to_raw(bytes(der), 32) != raw


# The kinds of malformed encodings in Project Wycheproof's ecdsa_secp256r1_sha256_test.json.
MALFORMED = {
    "empty": "",
    "not a sequence": "310602010102 0101",
    "r is zero": "3006020100020101",
    "s is zero": "3006020101020100",
    "r is negative": "30060201ff020101",
    "leading zero in r": "300702020001020101",
    "leading ones in r": "30070202ff80020101",
    "length not minimal": "308106020101020101",
    "length with a leading zero": "30820006020101020101",
    "indefinite length": "30800201010201010000",
    "length beyond the data": "3007020101020101",
    "length short of the data": "3005020101020101",
    "trailing data after the sequence": "300602010102010100",
    "trailing data in the sequence": "3008020101020101 0500",
    "one integer only": "3003020101",
    "integer without content": "30050200020101",
    "an octet string as r": "3006040101020101",
    "r of 33 bytes": "30260221 01" + "00" * 32 + "020101",
    "r as a real infinity": "3006090380fe01 020101",
    "truncated in a length": "3082",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_signatures_are_refused(text):
    with pytest.raises(ValueError, match=r"DER|at least 1|longer"):
        der_to_raw(bytes.fromhex(text.replace(" ", "")), 32)


@pytest.mark.parametrize("length", [0, 1, 63, 65, 96])
def test_a_raw_signature_of_another_length_is_refused(length):
    with pytest.raises(ValueError, match="instead of 64"):
        raw_to_der(b"\x01" * length, 32)


def test_zeros_are_no_raw_signature():
    with pytest.raises(ValueError, match="at least 1"):
        raw_to_der(bytes(64), 32)


def spki(key):
    return key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1()])
def test_a_public_key_on_a_curve_is_read(curve):
    key = ec.generate_private_key(curve)
    point = ec_point(spki(key))
    assert point is not None
    _, x, y = point
    numbers = key.public_key().public_numbers()
    assert (int.from_bytes(x, "big"), int.from_bytes(y, "big")) == (numbers.x, numbers.y)
    assert rsa_numbers(spki(key)) is None


def test_an_rsa_public_key_is_read():
    key = rsa.generate_private_key(65537, 2048)
    public = rsa_numbers(spki(key))
    assert public is not None
    n, e = public
    assert int.from_bytes(n, "big") == key.public_key().public_numbers().n
    assert e == b"\x01\x00\x01"
    assert ec_point(spki(key)) is None
