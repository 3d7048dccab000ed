"""Identify the person who asks, by what the load balancer says and signs.

After it has signed a person in, the load balancer adds three headers to each request of that
person: `x-amzn-oidc-data`, the claims as a JWS of its own (ES256); `x-amzn-oidc-accesstoken`, the
provider's token as it came; and `x-amzn-oidc-identity`, which is bare text and never read here.
https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers

from server.keys import KeyUnknown, PublishedKeys
from server.roles import Role, role_of

DATA = "x-amzn-oidc-data"
ACCESS_TOKEN = "x-amzn-oidc-accesstoken"  # noqa: S105 - a header's name
SKEW = 60
"""Seconds by which this machine's clock and the load balancer's may differ."""

_LONGEST = 16 * 1024
_LONGEST_TEXT = 256
_MOST_GROUPS = 200


class Unidentified(Exception):
    """The request does not prove who asks; says why, in words that are fit for the caller."""


@dataclass(frozen=True, kw_only=True)
class Trust:
    """The trusted signer: this load balancer, for people of this client of this provider.

    `groups_claim` names the claim with a person's groups, `groups` gives a role to each group that
    counts. Cognito's claims have no groups, its access token has: then `access_token_keys` is the
    URL of the provider's key set, and groups are read from the token instead. `sign_out` is where
    the provider ends its own session.
    """

    signer: str
    issuer: str
    client_id: str
    keys: str
    groups_claim: str
    groups: Mapping[str, Role]
    access_token_keys: str | None = None
    sign_out: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """The person who asks. `role` is None for a person none of whose groups counts."""

    subject: str
    name: str
    groups: tuple[str, ...]
    role: Role | None


class Claims:
    """Verifies the load balancer's word."""

    def __init__(
        self,
        trust: Trust,
        *,
        keys: PublishedKeys | None = None,
        access_token_keys: PublishedKeys | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._trust = trust
        self._clock = wall_clock
        self._keys = keys or PublishedKeys(trust.keys)
        self._provider_keys = access_token_keys
        if self._provider_keys is None and trust.access_token_keys:
            self._provider_keys = PublishedKeys(trust.access_token_keys)

    async def close(self) -> None:
        """Close the connections to those who publish keys."""
        await self._keys.close()
        if self._provider_keys:
            await self._provider_keys.close()

    async def person(self, headers: Headers) -> Person:
        """Return who asks.

        Raises `Unidentified`, and `KeysUnavailable` where the keys cannot be fetched just now.
        """
        trust = self._trust
        header, claims = await _verified(_single(headers, DATA), self._keys, "ES256")
        _refuse_others(
            "sign-in",
            header,
            {"signer": trust.signer, "client": trust.client_id, "iss": trust.issuer},
        )
        self._refuse_expired(header)
        subject = _text(claims, "sub")
        if self._provider_keys:
            groups = await self._groups_of_token(headers, self._provider_keys, subject)
        else:
            groups = _groups(claims, trust.groups_claim)
        name = next((claims[key] for key in ("name", "email", "username") if key in claims), "")
        if (
            not isinstance(name, str)
            or not 0 < len(name) <= _LONGEST_TEXT
            or not name.isprintable()
        ):
            name = subject  # a person's own words, perhaps: no reason to turn the person away
        return Person(subject, name, groups, role_of(groups, trust.groups))

    async def _groups_of_token(
        self, headers: Headers, keys: PublishedKeys, subject: str
    ) -> tuple[str, ...]:
        """Return the groups in the provider's access token, once it is known to be this person's.

        https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
        """
        _, claims = await _verified(_single(headers, ACCESS_TOKEN), keys, "RS256")
        wanted = {"iss": self._trust.issuer, "client_id": self._trust.client_id, "sub": subject}
        _refuse_others("access token", claims, {**wanted, "token_use": "access"})
        self._refuse_expired(claims)
        return _groups(claims, self._trust.groups_claim)

    def _refuse_expired(self, stated: Mapping[str, Any]) -> None:
        until = stated.get("exp")
        if type(until) is not int:
            raise Unidentified("the sign-in does not say when it ends")
        late = self._clock() - until
        if late > SKEW:
            raise Unidentified(
                f"the sign-in ended {late:.0f} s ago by this instance's clock; sign in again"
            )


async def _verified(
    token: str, keys: PublishedKeys, algorithm: str
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the header and the claims of a token that a published key has signed."""
    from jwt import PyJWS  # only where people sign in
    from jwt.exceptions import PyJWTError

    jws = PyJWS()
    try:
        header = jws.get_unverified_header(token)
        if header.get("alg") != algorithm:
            raise Unidentified(f"the token is not signed with {algorithm}")
        key = await keys.get(header.get("kid"))
        # Padded, as the load balancer writes it: the segments are verified as they came.
        payload = jws.decode_complete(token, key, algorithms=[algorithm])["payload"]
        claims = json.loads(payload, object_pairs_hook=_once)
    except KeyUnknown as error:
        raise Unidentified(f"the token cannot be verified: {error}") from error
    except (PyJWTError, ValueError, TypeError) as error:
        raise Unidentified("the token is malformed, or its signature is not genuine") from error
    if not isinstance(claims, dict):
        raise Unidentified("the token holds no claims")
    return header, claims


def _refuse_others(what: str, stated: Mapping[str, Any], wanted: Mapping[str, str]) -> None:
    for name, value in wanted.items():
        if stated.get(name) != value:
            raise Unidentified(f"the {what} is for another {name}")


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a claim that is there twice: which one is meant would be a matter of taste."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Unidentified("a claim is there twice")
    return found


def _single(headers: Headers, name: str) -> str:
    values = headers.getlist(name)
    if not values:
        raise Unidentified("no person is signed in: the request did not come by the load balancer")
    if len(values) > 1:
        raise Unidentified(f"the header {name} is there {len(values)} times")
    if len(values[0]) > _LONGEST:
        raise Unidentified(f"the header {name} has over {_LONGEST} characters")
    return values[0]


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not value:
        raise Unidentified(f"the claim {name} is missing")
    if len(value) > _LONGEST_TEXT or not value.isprintable():
        raise Unidentified(f"the claim {name} is over-long, or not printable")
    return value


def _groups(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = claims.get(name, [])
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise Unidentified(f"the claim {name} is no list of groups")
    if len(listed) > _MOST_GROUPS or any(len(each) > _LONGEST_TEXT for each in listed):
        raise Unidentified(f"the claim {name} is over-long")
    return tuple(listed)
