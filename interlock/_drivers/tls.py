"""Encryption of connections: whom to trust."""

import importlib.util
import os
import ssl

from interlock._protocol.faults import Refused


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


def _has_folder() -> bool:
    """Whether there is a folder of certificates, from which they are loaded only as needed."""
    folder = ssl.get_default_verify_paths().capath
    return folder is not None and os.path.isdir(folder) and bool(os.listdir(folder))
