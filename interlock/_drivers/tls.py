"""Encryption of connections: whom to trust."""

import importlib.util
import os
import re
import ssl
from binascii import a2b_base64

from interlock._protocol.faults import NotSent, Refused

_AWS = (".amazonaws.com", ".api.aws")
# https://www.amazontrust.com/repository/: the authorities of AWS's own endpoints.
_AUTHORITIES = (b"Amazon Root CA", b"Starfield Services Root")
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----\s+([^-]+)-----END CERTIFICATE-----")


class Trust:
    """A client's `context`, at first with as few of the system's authorities as it may need.

    To read all of them takes as long as all else that a first call computes. For an endpoint of
    AWS's there are those that AWS has its certificates from, and the others when a server shows a
    certificate of another: it is refused, and the connection made again.
    """

    def __init__(self, ca_bundle: str | None, host: str) -> None:
        authorities = "" if ca_bundle or not host.endswith(_AWS) else _own_authorities()
        self.few = bool(authorities)
        self.context = (
            ssl.create_default_context(cadata=authorities) if self.few else context(ca_bundle)
        )

    def explains(self, failure: NotSent) -> bool:
        """Return whether a connection may have failed for an authority that is missing."""
        return self.few and isinstance(failure.__cause__, ssl.SSLCertVerificationError)

    def widen(self) -> None:
        """Trust all of the system's authorities."""
        if self.few:
            self.context.load_default_certs()
            self.few = False


def context(ca_bundle: str | None) -> ssl.SSLContext:
    """Return a TLS client's context that trusts a bundle of certificates, or the system's.

    Raises `Refused` ("InvalidCABundle") for a bundle that cannot be read.
    """
    if ca_bundle:
        folder = os.path.isdir(ca_bundle)
        try:
            return ssl.create_default_context(
                cafile=None if folder else ca_bundle, capath=ca_bundle if folder else None
            )
        except OSError as error:
            raise Refused("InvalidCABundle", f"AWS_CA_BUNDLE={ca_bundle}: {error}") from error
    made = ssl.create_default_context()
    if not made.get_ca_certs() and not _has_folder():
        # A container image without certificates: those that botocore would trust.
        package = importlib.util.find_spec("botocore")
        if package is not None and package.origin is not None:
            made.load_verify_locations(os.path.join(os.path.dirname(package.origin), "cacert.pem"))
    return made


def _own_authorities() -> str:
    """Return the certificates of AWS's authorities among the system's; "" if there are none."""
    file = ssl.get_default_verify_paths().cafile
    try:
        with open(file or "", "rb") as opened:
            bundle = opened.read()
        found = [
            match[0].decode("ascii")
            for match in _CERTIFICATE.finditer(bundle)
            if any(name in der for der in [a2b_base64(match[1])] for name in _AUTHORITIES)
        ]
    except (OSError, ValueError):
        return ""
    return "\n".join(found)


def _has_folder() -> bool:
    """Whether there is a folder of certificates, from which they are loaded only as needed."""
    folder = ssl.get_default_verify_paths().capath
    return folder is not None and os.path.isdir(folder) and bool(os.listdir(folder))
