"""`python -m server.probe`: ask this container's own service whether it is healthy.

For the health checks of container engines, whose image has neither a shell nor curl. It reads the
variables that the service reads, and imports nothing but the standard library: it runs every few
seconds.
"""

import http.client
import os
import ssl
import sys
from collections.abc import Mapping

_PATIENCE = 4.0  # seconds, under the check's own timeout
_EVERYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - an address to compare with
_PORT = 8080


def healthy(environment: Mapping[str, str]) -> bool:
    """Return whether the service that this environment describes answers 200 at /healthz."""
    host = environment.get("INTERLOCK_HOST", "")
    port = int(environment.get("INTERLOCK_PORT") or _PORT)
    host = "127.0.0.1" if host in _EVERYWHERE else host
    if environment.get("INTERLOCK_TLS", "").upper() == "ON":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            # It has made its certificate itself, and is asked within this container.
            *(host, port),
            timeout=_PATIENCE,
            context=ssl._create_unverified_context(),  # noqa: S323, SLF001 - it has no authority
        )
    else:
        connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if healthy(os.environ) else 1)
