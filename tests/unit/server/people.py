"""People at the load balancer: their tokens, its keys' publisher, and an API to reach."""

import base64
import json

import httpx
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from server.claims import Claims, Trust
from server.keys import PublishedKeys
from server.roles import Role
from tests.unit.server.playing import Played

SIGNER = (
    "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/app/front/0123456789abcdef"
)


ISSUER = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Pool"


CLIENT = "client-1"


GROUPS = {"viewer": Role.VIEWER, "operator": Role.OPERATOR, "administrator": Role.ADMINISTRATOR}


KEY = ec.generate_private_key(ec.SECP256R1())


OTHER_KEY = ec.generate_private_key(ec.SECP256R1())


POOL_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


NOW = 1_800_000_000


def pem(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form)


def padded(raw):
    """Encode as load balancers do, against RFC 7515: with the padding."""
    return base64.urlsafe_b64encode(raw)


def token(claims, *, key=KEY, text=None, **header):
    """Sign claims as a load balancer does."""
    whose = {"signer": SIGNER, "client": CLIENT, "iss": ISSUER}
    head = {"alg": "ES256", "kid": "key-1", "exp": NOW + 120} | whose | header
    body = json.dumps(claims) if text is None else text
    signed = padded(json.dumps(head).encode()) + b"." + padded(body.encode())
    signature = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).sign(signed, key)
    return (signed + b"." + padded(signature)).decode()


def data(*groups, sub="p-1", **header):
    return token({"sub": sub, "name": "Alice", "groups": list(groups)}, **header)


class Api:
    """API that answers everything, and remembers what reached it."""

    def __init__(self):
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        return httpx.Response(200, json={"name": "a", "value": 1})


class Publisher:
    """Publishes keys as AWS does, each under its id; `down` makes it fail."""

    def __init__(self, **keys):
        self.keys = keys or {"key-1": pem(KEY)}
        self.asked = []
        self.down = False

    def __call__(self, request):
        self.asked.append(str(request.url))
        if self.down:
            raise httpx.ConnectError("no way")
        name = request.url.path.rpartition("/")[2]
        if name.endswith(".json"):
            return httpx.Response(200, json={"keys": list(self.keys.values())})
        return (
            httpx.Response(200, content=self.keys[name])
            if name in self.keys
            else httpx.Response(403)
        )


def claims_of(publisher, **changes):
    pool = changes.pop("pool", None)
    url = "https://keys.test"
    trust = {
        "signer": SIGNER,
        "issuer": ISSUER,
        "client_id": CLIENT,
        "keys": url,
        "groups_claim": "groups",
        "groups": GROUPS,
    } | changes
    return Claims(
        Trust(**trust),
        keys=PublishedKeys(url, connections=Played(publisher)),
        access_token_keys=pool,
        wall_clock=lambda: NOW,
    )


CHANGE = ("POST", "/api/counters/a/increment")


async def ask(client, method, path, *tokens, **headers):
    given = [("x-amzn-oidc-data", each) for each in tokens] + list(headers.items())
    return await client.request(method, path, headers=given)
