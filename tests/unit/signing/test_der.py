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

from interlock._protocol.signing.der import (
    der_to_raw,
    ec_point,
    octet_key,
    raw_to_der,
    rsa_numbers,
)

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
    "truncated before a length": "30",
    "length of one byte in a longer form": "30810602010102010100",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_signatures_are_refused(text):
    with pytest.raises(ValueError, match=r"DER|at least 1|longer"):
        der_to_raw(bytes.fromhex(text.replace(" ", "")), 32)


@pytest.mark.parametrize("length", [0, 1, 63, 65, 96])
def test_a_raw_signature_of_another_length_is_refused(length):
    with pytest.raises(ValueError, match="instead of 64"):
        raw_to_der(b"\x01" * length, 32)


@pytest.mark.parametrize("zero", [slice(0, 64), slice(0, 32), slice(32, 64)])
def test_a_zero_is_no_half_of_a_raw_signature(zero):
    signature = bytearray(b"\x01" * 64)
    signature[zero] = bytes(len(signature[zero]))
    with pytest.raises(ValueError, match="at least 1"):
        raw_to_der(bytes(signature), 32)


NUMBERS = [1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 2**247, 2**248 - 1, 2**255, 2**256 - 1]


@pytest.mark.parametrize("s", NUMBERS)
@pytest.mark.parametrize("r", NUMBERS)
def test_numbers_about_which_a_byte_is_added_are_converted(r, s):
    der = encode_dss_signature(r, s)
    raw = der_to_raw(der, 32)
    assert raw == r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert raw_to_der(raw, 32) == der


@pytest.mark.parametrize("length", range(120, 140))
def test_lengths_about_which_their_form_changes_are_converted(length):
    """From 128 bytes on a length has a byte before it that says how many it has."""
    r = 2 ** (8 * ((length - 4) // 2) - 2)
    s = 2 ** (8 * (length - 4 - (length - 4) // 2) - 2)
    der = encode_dss_signature(r, s)
    assert raw_to_der(der_to_raw(der, 72), 72) == der


@pytest.mark.parametrize(
    "length", ["80", "820080"], ids=["indefinite", "of more bytes than needed"]
)
def test_a_length_of_128_has_one_form(length):
    der = encode_dss_signature(2**500, 2**484)
    assert der[:3].hex() == "308180"
    assert raw_to_der(der_to_raw(der, 66), 66) == der
    with pytest.raises(ValueError, match="DER"):
        der_to_raw(b"\x30" + bytes.fromhex(length) + der[3:], 66)


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
    assert n == key.public_key().public_numbers().n.to_bytes(256, "big")
    assert e == b"\x01\x00\x01"
    assert ec_point(spki(key)) is None
    assert octet_key(spki(key)) is None


def tagged(tag, *contents):
    content = b"".join(contents)
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 + len(octets))) + octets + content


def key_info(oid, bits, *, parameters=b"", unused=b"\0", within=b"", after=b""):
    """Return a SubjectPublicKeyInfo (RFC 5280, 4.1) whose parts are as a test wants them."""
    algorithm = tagged(0x30, tagged(0x06, bytes.fromhex(oid)), parameters)
    return tagged(0x30, algorithm, tagged(0x03, unused, bits), within) + after


P256 = tagged(0x06, bytes.fromhex("2a8648ce3d030107"))
CURVE = {"oid": "2a8648ce3d0201", "parameters": P256, "bits": b"\4" + b"\1" * 32 + b"\2" * 32}
RSA = {
    "oid": "2a864886f70d010101",
    "parameters": b"\5\0",
    "bits": tagged(0x30, tagged(0x02, b"\3"), tagged(0x02, b"\1")),
}
EDWARDS = {"oid": "2b6570", "bits": b"\1" * 32}
LATTICES = {
    name: {"oid": f"6086480165030403{last}", "bits": b"\1" * size}
    for name, last, size in [
        ("ML-DSA-44", "11", 1312),
        ("ML-DSA-65", "12", 1952),
        ("ML-DSA-87", "13", 2592),
    ]
}


def test_each_kind_of_key_is_read_as_that_kind_alone():
    curve, number, edwards = (key_info(**each) for each in (CURVE, RSA, EDWARDS))
    assert ec_point(curve) == ("P-256", b"\1" * 32, b"\2" * 32)
    assert rsa_numbers(number) == (b"\3", b"\1")
    assert octet_key(edwards) == ("Ed25519", b"\1" * 32)
    assert ec_point(number) is ec_point(edwards) is None
    assert rsa_numbers(curve) is rsa_numbers(edwards) is None
    assert octet_key(curve) is octet_key(number) is None


@pytest.mark.parametrize("name", LATTICES)
def test_a_key_of_a_lattice_is_its_bits(name):
    assert octet_key(key_info(**LATTICES[name])) == (name, LATTICES[name]["bits"])


EACH = {"a curve": (ec_point, CURVE), "RSA": (rsa_numbers, RSA), "an Edwards": (octet_key, EDWARDS)}
WRAPPED = {
    "no unused bits told": {"unused": b"", "bits": b""},
    "a bit unused": {"unused": b"\1"},
    "trailing data within": {"within": b"\5\0"},
    "trailing data after": {"after": b"\0"},
}


@pytest.mark.parametrize("change", WRAPPED.values(), ids=WRAPPED)
@pytest.mark.parametrize(("read", "key"), EACH.values(), ids=EACH)
def test_a_public_key_is_refused_that_is_wrapped_with(read, key, change):
    with pytest.raises(ValueError, match=r"DER|unused"):
        read(key_info(**{**key, **change}))


def test_an_object_id_is_no_longer_than_what_it_is_in():
    algorithm = tagged(0x30, b"\x06\x0a" + bytes.fromhex(RSA["oid"]))
    with pytest.raises(ValueError, match="DER"):
        rsa_numbers(tagged(0x30, algorithm, tagged(0x03, b"\0", RSA["bits"])))


NO_KEYS = {
    "a point that is compressed": (ec_point, CURVE, {"bits": b"\2" + b"\1" * 32}),
    "a point of another form": (ec_point, CURVE, {"bits": b"\6" + b"\1" * 64}),
    "a point with a byte less": (ec_point, CURVE, {"bits": b"\4" + b"\1" * 63}),
    "a point with a byte more": (ec_point, CURVE, {"bits": b"\4" + b"\1" * 65}),
    "no point": (ec_point, CURVE, {"bits": b""}),
    "a curve and more": (ec_point, CURVE, {"parameters": P256 + b"\5\0"}),
    "an unknown curve": (ec_point, CURVE, {"parameters": tagged(0x06, b"\1")}),
    "a modulus of zero": (
        rsa_numbers,
        RSA,
        {"bits": tagged(0x30, tagged(0x02, b"\0"), tagged(0x02, b"\1"))},
    ),
    "a negative exponent": (
        rsa_numbers,
        RSA,
        {"bits": tagged(0x30, tagged(0x02, b"\3"), tagged(0x02, b"\x81"))},
    ),
    "a third number": (rsa_numbers, RSA, {"bits": tagged(0x30, tagged(0x02, b"\3") * 3)}),
    "one number": (rsa_numbers, RSA, {"bits": tagged(0x30, tagged(0x02, b"\3"))}),
    "two sequences": (rsa_numbers, RSA, {"bits": RSA["bits"] + RSA["bits"]}),
    "a key with a byte less": (octet_key, EDWARDS, {"bits": b"\1" * 31}),
    "a key with a byte more": (octet_key, EDWARDS, {"bits": b"\1" * 33}),
    "parameters of an Edwards curve": (octet_key, EDWARDS, {"parameters": b"\5\0"}),
}


@pytest.mark.parametrize(("read", "key", "change"), NO_KEYS.values(), ids=NO_KEYS)
def test_a_public_key_is_refused_that_has(read, key, change):
    with pytest.raises(ValueError, match=r"DER|unknown|point|positive|bytes are no"):
        read(key_info(**{**key, **change}))
