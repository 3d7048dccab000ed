"""Signs requests to API Gateway with this instance's role."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol

from botocore.exceptions import NoCredentialsError
from botocore.session import Session

from interlock.errors import InvalidValue
from interlock.signing import sigv4

if TYPE_CHECKING:
    from botocore.credentials import Credentials


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
        self._session = session or Session()
        self._sigv4 = sigv4(self._session, region=region)
        self._credentials: Credentials | None = None

    async def sign(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> dict[str, str]:
        """Return the headers with `authorization` added.

        Raises `CredentialsMissing`, or `InvalidValue` for what cannot be signed as it is sent.
        """
        signed = partial(self._signed, method, url, body, headers)
        # A refresh asks the instance's metadata service and blocks: not on the event loop. The
        # change of thread costs more than the signature does, so only where one is due.
        due = getattr(self._credentials, "refresh_needed", None)
        if self._credentials is None or (due is not None and due()):
            return await asyncio.to_thread(signed)
        return signed()

    def _signed(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> dict[str, str]:
        try:
            self._credentials = self._session.get_credentials()
            return {**headers, **self._sigv4.sign(method, url, headers=headers, body=body)}
        except InvalidValue:
            raise
        except NoCredentialsError as error:
            raise CredentialsMissing("no AWS credentials; give this instance a role") from error
        except Exception as error:
            raise CredentialsMissing(str(error)) from error
