"""Signs requests to API Gateway with this instance's role.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html
"""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.session import Session


class CredentialsMissing(Exception):
    """No credentials could be found or refreshed; nothing was sent."""


class RequestSigner(Protocol):
    """Adds a signature to a request."""

    async def sign(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the headers with the signature among them."""
        ...


class RoleSigner:
    """Signs with the credentials that botocore finds and, before they run out, refreshes."""

    def __init__(self, region: str, session: Session | None = None) -> None:
        self._region = region
        self._session = session or Session()
        self._credentials: Credentials | None = None

    async def sign(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the headers with `authorization` added; raise `CredentialsMissing`."""
        # A refresh asks the instance's metadata service and blocks: not on the event loop. The
        # change of thread costs more than the signature does, so only where one is due.
        due = getattr(self._credentials, "refresh_needed", None)
        if self._credentials is None or (due is not None and due()):
            frozen = await asyncio.to_thread(self._freeze)
        else:
            frozen = self._freeze()
        request = AWSRequest(method=method, url=url, data=body, headers=dict(headers))
        SigV4Auth(frozen, "execute-api", self._region).add_auth(request)
        return dict(request.headers.items())

    def _freeze(self) -> ReadOnlyCredentials:
        try:
            if self._credentials is None:
                self._credentials = self._session.get_credentials()
            frozen = self._credentials.get_frozen_credentials() if self._credentials else None
        except Exception as error:
            raise CredentialsMissing(str(error)) from error
        if frozen is None or not frozen.access_key:
            raise CredentialsMissing("no AWS credentials; give this instance a role")
        return frozen
