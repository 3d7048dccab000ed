"""TLS from the load balancer to this instance, by a certificate that it makes at its start.

The load balancer takes any certificate of its targets, also one that has ended or is another's, so
an authority would add nothing: what is between the two is encrypted, and that they are each other
is the word of the network, where the VPC delivers an address's packets to its owner alone.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html#target-group-routing-configuration
"""

import contextlib
import os
import ssl
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

LEAST = ssl.TLSVersion.TLSv1_2
"""The least version: the load balancer speaks 1.3 to targets where its listener does, else 1.2."""

# https://www.rfc-editor.org/rfc/rfc5280#section-4.1.2.5: one that has no end of its own. It ends
# with the process, which may run for longer than any time that could be written here.
_NO_END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_SLOW_CLOCK = timedelta(days=1)


def server_context(name: str) -> ssl.SSLContext:
    """Return how a server answers as `name`, with a fresh key that this process alone has."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = LEAST
    context.set_alpn_protocols(["http/1.1"])
    context.options |= ssl.OP_NO_RENEGOTIATION
    with _private_file(_certificate(name)) as path:
        context.load_cert_chain(path)
    return context


def _certificate(name: str) -> bytes:
    """Return a new P-256 key and the certificate that it signs for itself, as PEM."""
    from cryptography import x509  # only where there is TLS
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    whose = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(whose)
        .issuer_name(whose)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - _SLOW_CLOCK)
        .not_valid_after(_NO_END)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, SHA256())
    )
    return key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    ) + certificate.public_bytes(Encoding.PEM)


@contextlib.contextmanager
def _private_file(content: bytes) -> Iterator[str]:
    """Give content a path for as long as the context is open; OpenSSL reads keys from files alone.

    On Linux it is in memory: a container has no file system that it could write to.
    """
    if sys.platform == "linux":
        with os.fdopen(os.memfd_create("certificate", os.MFD_CLOEXEC), "wb") as file:
            file.write(content)
            file.flush()
            yield f"/proc/self/fd/{file.fileno()}"
    else:
        with tempfile.NamedTemporaryFile() as file:  # of mode 0600
            file.write(content)
            file.flush()
            yield file.name
