"""Sign-in of people, as an environment in `cdk.json` sets it: checked before a stack is made."""

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, TypeGuard

ROLES = ("viewer", "operator", "administrator")
"""As server/roles.py has them; a test compares."""


@dataclass(frozen=True, kw_only=True)
class CognitoPool:
    """A user pool that the deployment makes; `host` is the name at which people open the page.

    Cognito compares the address that it sends people back to letter by letter, so that it has to
    be known: the certificate's name, and not the load balancer's.
    """

    host: str


@dataclass(frozen=True, kw_only=True)
class Provider:
    """An OpenID Connect provider that is there already.

    The four addresses are those of its discovery document. `client_secret` names a secret of
    Secrets Manager, by ARN or name. `groups_claim` is the claim of its user info that lists a
    person's groups, and `groups` names the group of a role that is not called as the role is.
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    user_info_endpoint: str
    client_id: str
    client_secret: str
    scope: str = "openid profile email"
    groups_claim: str = "groups"
    groups: Mapping[str, str] = field(default_factory=dict)
    sign_out: str | None = None


SignIn = CognitoPool | Provider

# What reaches the service's environment passes a shell and systemd: nothing that they expand.
_PLAIN = "[A-Za-z0-9._~:/@+%-]"
_QUERY = "[A-Za-z0-9._~:/@+%&=-]"
NAME = re.compile(r"(?=.{4,253}$)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?")
"""A domain name in lower case; an address ends with digits."""
_KINDS: Mapping[str, type[CognitoPool | Provider]] = {"cognito": CognitoPool, "oidc": Provider}


def sign_in_of(value: Mapping[str, Any]) -> SignIn:
    """Return what a value without problems describes."""
    return _KINDS[value["kind"]](**{key: each for key, each in value.items() if key != "kind"})


def problems_with(value: Any, *, emulated: bool) -> list[str]:
    """Return all that is wrong with the value of `identity`, each in a line of its own."""
    if not isinstance(value, dict) or value.get("kind") not in tuple(_KINDS):
        return [f'identity is {value!r}; give an object whose "kind" is one of {", ".join(_KINDS)}']
    kind = _KINDS[value["kind"]]
    given = {key: each for key, each in value.items() if key != "kind"}
    known = {each.name for each in fields(kind)}
    optional = {
        each.name
        for each in fields(kind)
        if each.default is not MISSING or each.default_factory is not MISSING
    }
    problems = [f"identity.{key} is missing" for key in sorted(known - optional - given.keys())]
    problems += [f"identity.{key} is not known" for key in sorted(given.keys() - known)]
    problems += [
        f"identity.{key} is {given[key]!r}; give {wanted}"
        for key, (fits, wanted) in _wanted(emulated=emulated).items()
        if key in given and key in known and not fits(given[key])
    ]
    return problems


def _wanted(*, emulated: bool) -> Mapping[str, tuple[Callable[[Any], bool], str]]:
    # A load balancer calls its provider over TLS alone; the emulator's one is on loopback.
    scheme = "https?" if emulated else "https"
    address = _matches(rf"{scheme}://{_PLAIN}+")
    url = "an https:// address without a query"
    return {
        "host": (_matches(NAME.pattern), "a domain name in lower case, as the certificate has it"),
        "issuer": (address, url),
        "authorization_endpoint": (address, url),
        "token_endpoint": (address, url),
        "user_info_endpoint": (address, url),
        "client_id": (_matches(rf"{_PLAIN}{{1,256}}"), "the client's id"),
        "client_secret": (_matches(r"[A-Za-z0-9/_+=.@:-]{1,2048}"), "a secret's ARN or name"),
        "scope": (_matches(r"openid( [\x21-\x7e]+)*"), "scopes that begin with openid"),
        "groups_claim": (_matches(r"[A-Za-z0-9:_./-]{1,256}"), "a claim's name"),
        "groups": (_groups, f"a group for each of some of {', '.join(ROLES)}, all different"),
        "sign_out": (_matches(rf"{scheme}://{_PLAIN}+(\?{_QUERY}+)?"), "an https:// URL"),
    }


def _matches(pattern: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _groups(value: Any) -> TypeGuard[dict[str, str]]:
    fits = _matches(rf"{_PLAIN}{{1,256}}")
    if not isinstance(value, dict) or not value.keys() <= set(ROLES):
        return False
    every = [value.get(role, role) for role in ROLES]
    return all(map(fits, every)) and len(set(every)) == len(every)
