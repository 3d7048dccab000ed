"""A key of a process is drawn from all that the curve has, by the kernel's randomness alone."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from interlock._protocol.signing.ephemeral import new_key
from tests.unit.signing.issuer import number

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # FIPS 186-4, D.1.2.3


def test_no_two_keys_and_no_nonce_come_from_a_generator_that_copies_would_share(monkeypatch):
    """Two copies of a snapshot have one state of OpenSSL's generator, but not one kernel."""
    monkeypatch.setattr("os.urandom", lambda size: bytes(size - 1) + b"\x07")
    for algorithm in ("ES256", "Ed25519"):
        one, other = new_key(algorithm), new_key(algorithm)
        assert one.jwk == other.jwk
        assert one.sign(b"a") == other.sign(b"a")
        assert one.sign(b"a") != one.sign(b"b")


def point_of(secret):
    point = ec.derive_private_key(secret, ec.SECP256R1()).public_key().public_numbers()
    return {"kty": "EC", "crv": "P-256", "x": number(point.x), "y": number(point.y)}


@pytest.mark.parametrize(
    ("drawn", "secret"),
    [
        pytest.param(0, 1, id="the least"),
        pytest.param(ORDER - 2, ORDER - 1, id="the one that gives the last"),
        pytest.param(ORDER - 1, 1, id="the one after it"),
        pytest.param(2**384 - 1, (2**384 - 1) % (ORDER - 1) + 1, id="the most"),
    ],
)
def test_each_number_that_is_drawn_gives_a_key_between_one_and_the_order(
    monkeypatch, drawn, secret
):
    monkeypatch.setattr("os.urandom", lambda size: drawn.to_bytes(size, "big"))
    assert new_key("ES256").jwk == point_of(secret)


def test_a_key_is_drawn_from_so_many_bits_that_none_is_likelier(monkeypatch):
    """FIPS 186-5, A.2.1, wants 64 more than the order has; 128 are promised here."""
    sizes = []

    def drawn(size):
        sizes.append(size)
        return bytes(size)

    monkeypatch.setattr("os.urandom", drawn)
    new_key("ES256")
    assert sum(sizes) >= (ORDER.bit_length() + 128) // 8
