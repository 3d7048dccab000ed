"""Credentials of the profile, which botocore gets: from files, SSO, processes, other roles."""

import time
from collections.abc import Callable
from typing import Any

from interlock._protocol.faults import NotSent, Refused
from interlock._wire.credentials import Credentials
from interlock._wire.settings import Settings

_FRESH = 60.0  # seconds for which they are used without asking botocore again


def botocore_source(settings: Settings) -> Callable[[], Credentials]:
    """Return a function that gets them; it blocks, and raises `Refused` or `NotSent`."""
    try:
        from botocore import exceptions, session  # 150 ms, only where it is needed
    except ImportError as error:
        raise Refused(
            "NoCredentialsError", "the profile's credentials need botocore, which is not installed"
        ) from error

    made = session.Session()
    found: list[Any] = []

    def credentials() -> Credentials:
        try:
            if not found:
                found.append(made.get_credentials())
            if found[0] is None:
                found.clear()
                name = settings.profile_name()
                raise Refused("NoCredentialsError", f"the profile {name!r} has none")
            frozen = found[0].get_frozen_credentials()
        except (exceptions.CredentialRetrievalError, exceptions.MetadataRetrievalError) as error:
            raise NotSent(str(error)) from error
        except exceptions.BotoCoreError as error:
            raise Refused(type(error).__name__, str(error)) from error
        # botocore refreshes its own, ahead of their end: so ask it again every so often.
        fixed = not hasattr(found[0], "refresh_needed")
        expires = float("inf") if fixed else time.time() + _FRESH
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token or None, expires)

    return credentials
