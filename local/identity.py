"""People on this machine: the provider that signs them in, and a client that does as they do."""

import json
import secrets
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from local import ROOT, STATE
from local.dynamodb_local import answers
from local.emulator import Emulator, without_aws
from local.ports import LOOPBACK, free_port
from local.processes import Process, ProcessFailed
from local.provider import BALANCER_KEY_ID, CLIENT_ID, SECRET_VARIABLE, public_half
from local.requests import Answer, request

SECRET_NAME = "interlock-local/sign-in"
START_TIMEOUT = 30.0
_ATTEMPTS = 3
_REDIRECTS = (302, 303)


class SignInFailed(Exception):
    """The code flow did not come to its end."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A running provider, and the key of the load balancer that signs people in with it."""

    issuer: str
    secret: str
    balancer_key: Path

    @property
    def described(self) -> dict[str, str]:
        """The value of `identity` for the environment (stacks.sign_in)."""
        return {
            "kind": "oidc",
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "user_info_endpoint": f"{self.issuer}/userinfo",
            "client_id": CLIENT_ID,
            "client_secret": SECRET_NAME,
            "sign_out": f"{self.issuer}/sign-out",
        }

    def keep_secret(self, emulator: Emulator) -> None:
        """Store the client's secret where the deployment looks for it."""
        emulator.client("secretsmanager").create_secret(Name=SECRET_NAME, SecretString=self.secret)

    def variables(self, emulator: Emulator, balancer: str) -> dict[str, str]:
        """Return what instances behind a load balancer are told (server/settings.py)."""
        described = emulator.client("elbv2").describe_load_balancers(Names=[balancer])
        return {
            "INTERLOCK_SIGNER": described["LoadBalancers"][0]["LoadBalancerArn"],
            "INTERLOCK_SIGNER_KEYS": f"{self.issuer}/keys",
            "INTERLOCK_SIGN_IN_ISSUER": self.issuer,
            "INTERLOCK_SIGN_IN_CLIENT": CLIENT_ID,
            "INTERLOCK_SIGN_OUT": f"{self.issuer}/sign-out",
        }


@contextmanager
def provider(*, state: Path = STATE) -> Iterator[Provider]:
    """Run the provider on loopback. Raises ProcessFailed with its log's tail."""
    secret = secrets.token_urlsafe(32)
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for attempt in range(1, _ATTEMPTS + 1):
        port = free_port()
        folder = state / "run" / f"provider-{uuid.uuid4().hex[:8]}"
        issuer = f"http://{LOOPBACK}:{port}"
        with Process(
            "provider",
            [sys.executable, "-m", "local.provider", folder / "settings.json"],
            log=state / "logs" / f"provider-{port}.log",
            environment=without_aws() | {SECRET_VARIABLE: secret},
            directory=ROOT,
            records=state / "run",
            scratch=folder,
            files={
                "key.pem": private,
                "settings.json": json.dumps(
                    {
                        "port": port,
                        "balancer_key": public_half(private).decode(),
                        "balancer_key_id": BALANCER_KEY_ID,
                    }
                ).encode(),
            },
        ) as process:
            try:
                process.wait_until(
                    partial(answers, f"{issuer}/.well-known/openid-configuration"),
                    timeout=START_TIMEOUT,
                )
            except ProcessFailed:
                if attempt == _ATTEMPTS or process.returncode is None:
                    raise
                continue  # another program took the port in between
            yield Provider(issuer, secret, folder / "key.pem")
            return


@dataclass(frozen=True)
class Visitor:
    """A person, or a stranger, at the load balancer's address: what a browser sends, and keeps."""

    endpoint: str
    host: str
    name: str = "a stranger"
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def credentials(self) -> dict[str, str]:
        """The headers that say who this is, on any way to the load balancer."""
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        return {"Cookie": cookie} if cookie else {}

    def request(
        self, method: str, path: str, body: object = None, *, headers: dict[str, str] | None = None
    ) -> Answer:
        """Send a request with this person's cookies. Raises OSError if no answer comes."""
        sent = {"Host": self.host} | self.credentials | (headers or {})
        return request(method, self.endpoint + path, body, headers=sent)

    def signed_in(self, person: str) -> "Visitor":
        """Return this visitor as a person who has signed in, by the code flow.

        https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth. Raises `SignInFailed`.
        """
        to_provider = _next(self.request("GET", "/"), "the page")
        choice = urlencode({"person": person}).encode()
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        back = _next(request("POST", to_provider, choice, headers=form), "the provider")
        parts = urlsplit(back)
        if parts.netloc != self.host:
            raise SignInFailed(f"the provider sends {person} to {parts.netloc}, not {self.host}")
        answer = self.request("GET", f"{parts.path}?{parts.query}")
        _next(answer, "the load balancer")
        if not answer.cookies:
            raise SignInFailed(f"the load balancer gave {person} no session")
        return Visitor(self.endpoint, self.host, person, answer.cookies)


def _next(answer: Answer, who: str) -> str:
    location = answer.headers.get("location") or answer.headers.get("Location")
    if answer.status not in _REDIRECTS or not location:
        raise SignInFailed(f"{who} answers {answer.status} {answer.content[:200]!r}")
    return location
