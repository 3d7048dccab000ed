"""`python -m local.balancer`: the emulator, with what its load balancer lacks to sign people in.

ministack's load balancer speaks OpenID Connect as AWS's does, but for three things that are made
good here, by replacing functions of its pinned version (tests/unit/local/test_balancer.py fails
when they are no longer there):

- it signs the claims with a key that no program can look up: here with the key that
  INTERLOCK_BALANCER_KEY names, whose public half the provider on loopback publishes;
- its session cookie is plain text that everybody can write: here it is encrypted, as AWS's is;
- its CloudFormation drops the configuration of an `authenticate-oidc` action: here it keeps it.
"""

import json
import os
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from ministack.app import main as run  # type: ignore[import-untyped]
from ministack.services import alb  # type: ignore[import-untyped]
from ministack.services.cloudformation import provisioners  # type: ignore[import-untyped]

from local.emulator import BALANCER_KEY
from local.provider import BALANCER_KEY_ID

_SEALED = "sealed"
_CONFIGURATION = "AuthenticateOidcConfig"


def publishable_key(path: Path) -> None:
    """Have the load balancer sign with the key in a file."""
    alb._OIDC_SIGNING_KEY = load_pem_private_key(path.read_bytes(), None)
    alb._OIDC_KID = BALANCER_KEY_ID


def sealed_sessions() -> None:
    """Encrypt session cookies with a key that ends with this process."""
    seal = Fernet(Fernet.generate_key())
    read, write = alb._oidc_read_session, alb._oidc_session_cookies

    def read_sealed(jar: dict[str, str], name: str) -> Any:
        try:
            return json.loads(seal.decrypt(read(jar, name)[_SEALED]))
        except (InvalidToken, KeyError, TypeError, ValueError):
            return None  # written by another program, or none

    def write_sealed(name: str, session: Any, max_age: int, secure: bool) -> Any:
        text = seal.encrypt(json.dumps(session).encode()).decode()
        return write(name, {_SEALED: text}, max_age, secure)

    alb._oidc_read_session = read_sealed
    alb._oidc_session_cookies = write_sealed


def configured_actions() -> None:
    """Have CloudFormation hand an action's provider on to the load balancer."""
    actions = provisioners._elbv2_listener_actions

    def with_configuration(props: Any, lb_arn: Any, prop: str = "DefaultActions") -> Any:
        made = actions(props, lb_arn, prop)
        given = [each for each in props.get(prop) or [] if isinstance(each, dict)]
        for action, wanted in zip(made, given, strict=True):
            if _CONFIGURATION in wanted:
                action[_CONFIGURATION] = dict(wanted[_CONFIGURATION])
        return made

    provisioners._elbv2_listener_actions = with_configuration


def main() -> None:
    """Become the emulator."""
    publishable_key(Path(os.environ[BALANCER_KEY]))
    sealed_sessions()
    configured_actions()
    run()


if __name__ == "__main__":
    main()
