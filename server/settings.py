"""Settings from the environment, checked once at start."""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from server.claims import Trust
from server.membership import Membership
from server.roles import LABELS, Role


class SettingsError(Exception):
    """The environment lacks something or holds what cannot be used; names every such variable."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("the service cannot start:\n" + "\n".join(f"  {p}" for p in problems))
        self.problems = problems


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of this instance. Durations are seconds, sizes bytes."""

    api_url: str
    region: str
    instance_id: str
    table: str | None = None
    api_key: str | None = None
    host: str = "0.0.0.0"  # noqa: S104 - the security group admits the load balancer alone
    port: int = 8080
    tls: bool = False
    proxies: int = 1
    rate: float = 50.0
    burst: int = 100
    max_body: int = 64 * 1024
    timeout: float = 10.0
    drain: float = 25.0
    look_every: float = 1.0
    sample_every: float = 2.0
    keep_history: float = 24 * 3600.0
    lease: float = 10.0
    log_level: str = "INFO"
    trust: Trust | None = None
    membership: Membership | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the `INTERLOCK_*` variables and AWS_REGION.

        Raises `SettingsError` that lists everything wrong, not only the first.
        """
        reader = _Reader(environment)
        settings = cls(
            api_url=reader.url("INTERLOCK_API_URL"),
            region=reader.text("AWS_REGION", _REGION, "one such as eu-central-1"),
            instance_id=reader.text("INTERLOCK_INSTANCE_ID", _ID, "letters, digits and . _ : -"),
            table=reader.optional("INTERLOCK_TABLE", _TABLE, "a table's name or ARN") or None,
            api_key=reader.optional("INTERLOCK_API_KEY", _KEY, "visible ASCII") or None,
            host=reader.optional("INTERLOCK_HOST") or cls.host,
            port=int(reader.number("INTERLOCK_PORT", cls.port, 0, 65535)),
            tls=reader.choice("INTERLOCK_TLS", "OFF", ("OFF", "ON")) == "ON",
            proxies=int(reader.number("INTERLOCK_PROXIES", cls.proxies, 0, 10)),
            rate=reader.number("INTERLOCK_RATE", cls.rate, 0.1, 1_000_000),
            burst=int(reader.number("INTERLOCK_BURST", cls.burst, 1, 1_000_000)),
            max_body=int(reader.number("INTERLOCK_MAX_BODY", cls.max_body, 1, 10_000_000)),
            timeout=reader.number("INTERLOCK_TIMEOUT", cls.timeout, 0.1, 29),
            drain=reader.number("INTERLOCK_DRAIN", cls.drain, 0, 300),
            look_every=reader.number("INTERLOCK_LOOK_EVERY", cls.look_every, 0.2, 3600),
            sample_every=reader.number("INTERLOCK_SAMPLE_EVERY", cls.sample_every, 1, 60),
            keep_history=reader.number("INTERLOCK_KEEP_HISTORY", cls.keep_history, 60, 31_536_000),
            lease=reader.number("INTERLOCK_LEASE", cls.lease, 2, 300),
            log_level=reader.choice("INTERLOCK_LOG_LEVEL", cls.log_level, _LEVELS),
            trust=_trust(reader) if any(map(environment.get, _OF_SIGN_IN)) else None,
            membership=_membership(reader) if any(map(environment.get, _MEMBERSHIP)) else None,
        )
        reader.refuse_misspelt()
        if reader.problems:
            raise SettingsError(reader.problems)
        return settings


# What reaches headers, logs and the names of locks: nothing that one of them would take apart.
_ID = r"[A-Za-z0-9._:-]{1,128}"
_KEY = r"[!-~]+"
_REGION = r"[a-z0-9-]+"
_TABLE = r"(arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{12}:table/)?[A-Za-z0-9_.-]{3,255}"
_URL = r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~%-]+)*"
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
# Either all of them are set, or none: a service that lost one must not be open to all.
_TRUST = ("INTERLOCK_SIGNER", "INTERLOCK_SIGN_IN_ISSUER", "INTERLOCK_SIGN_IN_CLIENT")
_OF_SIGN_IN = (
    *_TRUST,
    "INTERLOCK_SIGNER_KEYS",
    "INTERLOCK_GROUPS_CLAIM",
    "INTERLOCK_GROUPS",
    "INTERLOCK_ACCESS_TOKEN_KEYS",
    "INTERLOCK_SIGN_OUT",
)


def _trust(reader: "_Reader") -> Trust:
    region = reader.optional("AWS_REGION")
    published = f"https://public-keys.auth.elb.{region}.amazonaws.com"
    return Trust(
        signer=reader.text(_TRUST[0]),
        issuer=reader.text(_TRUST[1]),
        client_id=reader.text(_TRUST[2]),
        keys=reader.optional("INTERLOCK_SIGNER_KEYS") or published,
        groups_claim=reader.optional("INTERLOCK_GROUPS_CLAIM") or "groups",
        groups=reader.groups("INTERLOCK_GROUPS"),
        access_token_keys=reader.optional("INTERLOCK_ACCESS_TOKEN_KEYS") or None,
        sign_out=reader.optional("INTERLOCK_SIGN_OUT") or None,
    )


_MEMBERSHIP = ("INTERLOCK_NAMESPACE", "INTERLOCK_SERVICE", "INTERLOCK_HINT_KEY")


def _membership(reader: "_Reader") -> Membership:
    namespace, service, key_id = map(reader.text, _MEMBERSHIP)
    registry = reader.optional("INTERLOCK_REGISTRY") or None
    return Membership(namespace=namespace, service=service, key_id=key_id, registry=registry)


_ALIKE = 0.9  # of 1: a letter or two differ, or have changed places


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._known = {"INTERLOCK_API_KEY_ID"}  # which server/asking.py reads
        self.problems: list[str] = []

    def text(self, name: str, pattern: str = ".*", wanted: str = "") -> str:
        value = self.optional(name, pattern, wanted)
        if not value:
            self.problems.append(f"{name} is not set")
        return value

    def optional(self, name: str, pattern: str = ".*", wanted: str = "") -> str:
        self._known.add(name)
        value = self._environment.get(name, "").strip()
        if value and not re.fullmatch(pattern, value, re.DOTALL):
            self.problems.append(f"{name} is {value!r}; give {wanted}")
        return value

    def refuse_misspelt(self) -> None:
        """Note a variable that is nearly one of those that were read.

        Others are left alone: the command and the function have theirs, which begin alike.
        """
        for name in self._environment.keys() - self._known:
            for meant in difflib.get_close_matches(name, self._known, 1, _ALIKE):
                self.problems.append(f"{name} is not known; is {meant} meant?")

    def groups(self, name: str) -> dict[str, Role]:
        """Read "viewer=GROUP,operator=GROUP,administrator=GROUP"; each is its role's by default."""
        names = {label: label for label in LABELS}
        for part in filter(None, self.optional(name).split(",")):
            label, _, group = (text.strip() for text in part.partition("="))
            if label not in names or not group:
                wanted = f"give ROLE=GROUP with a role of {', '.join(LABELS)}"
                self.problems.append(f"{name} holds {part!r}; {wanted}")
            names[label] = group
        if len(set(names.values())) < len(names):
            self.problems.append(f"{name} gives one group to two roles")
        return {group: Role[label.upper()] for label, group in names.items() if label in LABELS}

    def url(self, name: str) -> str:
        return self.text(name, f"{_URL}/*", "the stage's URL, https://host/stage").rstrip("/")

    def number(self, name: str, default: float, least: float, most: float) -> float:
        value = self.optional(name)
        if not value:
            return default
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not least <= number <= most or (isinstance(default, int) and number % 1):
            kind = "a whole number" if isinstance(default, int) else "a number"
            self.problems.append(f"{name} is {value!r}; give {kind} from {least:g} to {most:g}")
            return default
        return number

    def choice(self, name: str, default: str, known: tuple[str, ...]) -> str:
        value = (self.optional(name) or default).upper()
        if value not in known:
            self.problems.append(f"{name} is {value!r}; give one of {', '.join(known)}")
        return value
