"""Ways to get the lock protocol wrong, each of which the simulator has to notice."""

from types import ModuleType
from typing import NamedTuple

from interlock._drivers import service_clock
from interlock._protocol import requests
from interlock._protocol.locks import (
    agreed,
    breaking,
    claim,
    grant,
    lease,
    observed,
    permits,
    record,
)


class Mistake(NamedTuple):
    """`wrong` in the place of `right` in a module, and what a run of a scenario says of it.

    `found` is the seed by which it is found as things are: tried first, it saves a long search.
    """

    name: str
    scenario: str
    module: ModuleType
    right: str
    wrong: str
    says: str
    found: int = 0

    @property
    def seeds(self) -> tuple[int, ...]:
        """The 500 seeds that may find it; when the library changes another may be the first."""
        return self.found, *range(500)

    @property
    def edit(self) -> tuple[ModuleType, str, str]:
        """What `mutated` takes."""
        return self.module, self.right, self.wrong


CONDITION = '"ConditionExpression": _among(own, values),'
RENEWAL = '        "UpdateExpression": _RENEW,\n        '
GUARD = '"fence = :fence AND attribute_exists(version)"'
TWO_HOLDERS = "by its clock|hold 'l'"

MISTAKES = (
    Mistake(
        "heartbeat without a condition",
        "lock-storm",
        record,
        RENEWAL + CONDITION,
        RENEWAL,
        "renewed the grant of|is held|given back|without a new fence",
    ),
    Mistake(
        "heartbeat that accepts more than its own recent versions",
        "lock-storm",
        record,
        RENEWAL + CONDITION,
        RENEWAL + '"ConditionExpression": values.update({":me": {"S": own[0].partition("-")[0]}'
        '}) or "begins_with(version, :me)",',
        "is held|given back|renewed",
        found=33,
    ),
    Mistake(
        "release without a condition",
        "lock-storm",
        record,
        "ours = _among(own, values)\n",
        "ours = 'attribute_exists(pk)'\n",
        "the store has it free",
    ),
    Mistake(
        "release that leaves a heartbeat on its way",
        "lock-storm",
        grant,
        "return tuple(dict.fromkeys((self.version, *(one.version for one in unconfirmed))))",
        "return (self.version,)",
        "a lock that was given back is held",
    ),
    Mistake(
        "lease counted from the reply to an acquire",
        "lock-storm",
        claim,
        "min(lease_end(sent.at, options.lease), ends)",
        "min(lease_end(now, options.lease), ends)",
        TWO_HOLDERS,
    ),
    Mistake(
        "lease counted from the reply to a heartbeat",
        "lock-storm",
        lease,
        "    else:\n        grant.renewed(version, sent, lease)\n",
        "    else:\n        grant.renewed(version, (yield Monotonic()), lease)\n",
        TWO_HOLDERS,
        found=275,
    ),
    Mistake(
        "lease without a margin for drift",
        "lock-drift",
        grant,
        "lease * (1.0 - DRIFT)",
        "lease",
        TWO_HOLDERS,
        found=20,
    ),
    Mistake(
        "take-over whatever the version is by now",
        "lock-storm",
        record,
        'f"({FREE} OR {_among(takeable, values)})"',
        '"attribute_not_exists(nothing)"',
        TWO_HOLDERS,
    ),
    Mistake(
        "take-over by a wall clock that no caller vouched for",
        "lock-storm",
        claim,
        "if skew is None or until is None:\n            return False",
        "if until is None:\n            return False\n        skew = skew or 0.0",
        TWO_HOLDERS,
    ),
    Mistake(
        "take-over by wall clocks without their skew",
        "lock-trusted-clocks",
        claim,
        "(yield from wall_clock()) > until + skew",
        "(yield from wall_clock()) > until",
        TWO_HOLDERS,
        found=17,
    ),
    Mistake(
        "watch that does not start over with a new version",
        "lock-storm",
        observed,
        "if known is not None and known[0] == version:\n            return\n",
        "if known is not None:\n            return\n",
        f"no progress|{TWO_HOLDERS}",
    ),
    Mistake(
        "no take-over at all",
        "lock-storm",
        claim,
        "if now >= self._observed.expires_at(self.name, item.version):",
        "if False:",
        "no progress",
        found=24,
    ),
    Mistake(
        "fence that starts again after its row was deleted",
        "lock-idle",
        record,
        "int((time.wall if near else time.service) * 1000)",
        "0",
        "the fence of 'l' went from",
    ),
    Mistake(
        "TTL in milliseconds",
        "lock-calm",
        record,
        "return time.expiry(lease + KEPT)",
        "return time.expiry(lease + KEPT) * 1000",
        "TTL may delete",
    ),
    Mistake(
        "TTL by the client's clock",
        "lock-wrong-clocks",
        requests,
        "int(self.service + seconds)",
        "int(self.wall + seconds)",
        "TTL may delete",
    ),
    Mistake(
        "a first write whose clock may be off, kept no longer",
        "lock-wrong-clocks",
        requests,
        "(0 if self.heard else UNHEARD)",
        "0",
        "TTL may delete",
    ),
    Mistake(
        "belief in any date",
        "lock-wrong-clocks",
        service_clock,
        "if agreed or abs(offset - expected) <= _PLAUSIBLE:",
        "if True:",
        "TTL may delete",
    ),
    Mistake(
        "belief in the date of an answer that was read long after it came",
        "lock-idle",
        service_clock,
        "if date is None or now - sent > _FRESH:",
        "if date is None:",
        "TTL may delete|the fence of 'l' went from",
        found=15,
    ),
    Mistake(
        "TTL taken for the lease",
        "lock-calm",
        record,
        "return time.expiry(lease + KEPT)",
        "return int(time.service) - 1",
        "TTL may delete",
    ),
    Mistake(
        "guard by the fence alone",
        "lock-storm",
        record,
        GUARD,
        '"fence = :fence"',
        "committed under a free lock",
    ),
    Mistake(
        "adoption whose answer comes after its lease",
        "lock-handed-over",
        lease,
        " and not grant.expired((yield Monotonic()))",
        "",
        "hold 'l'",
        found=147,
    ),
    Mistake(
        "permit whose lease ended while others were given back",
        "lock-permits",
        permits,
        "if now >= grant.until:  # it",
        "if False:  # it",
        "hold 'l#|late copy of its request",
        found=110,
    ),
    Mistake(
        "grant that leaves copies of its request on their way",
        "lock-lost-replies",
        claim,
        "void = self._bound()\n        if void and",
        "void = 0\n        if void and",
        "a late copy of its request",
    ),
    Mistake(
        "release that forgets the bound which its grant could not set",
        "lock-lost-replies",
        lease,
        "settings.budget(deadline), grant.perhaps_freed, grant.void_before",
        "settings.budget(deadline), grant.perhaps_freed, 0",
        "a late copy of its request",
        found=15,
    ),
    Mistake(
        "acquisition that gives up without voiding its requests",
        "lock-lost-replies",
        claim,
        "item = yield from self.void(seconds)\n",
        'item = {"version": {"S": next(iter(self._unconfirmed), "")}}\n',
        "a late copy of its request",
        found=8,
    ),
    Mistake(
        "void that counts for free locks only",
        "lock-storm",
        record,
        'f"{IN_TIME} AND {condition}"',
        "f\"({IN_TIME} AND {FREE}) OR {condition.partition(' OR ')[2][:-1] or FREE}\"",
        "a late copy of its request",
        found=31,
    ),
    Mistake(
        "bound on late requests that is lowered again",
        "lock-storm",
        record,
        '"ConditionExpression": _UNBOUND,',
        "",
        "a late copy of its request",
        found=27,
    ),
    Mistake(
        "extension that leaves the lease in the record as it was",
        "lock-extended",
        record,
        '_RENEW = "SET version = :version, lease_ms = :lease, ',
        '_RENEW = "SET version = :version, another = :lease, ',
        TWO_HOLDERS,
        found=9,
    ),
    Mistake(
        "longer lease counted before its extension is answered",
        "lock-extended",
        grant,
        "self.until = min(self.until, lease_end(sent, lease))",
        "self.until = lease_end(sent, lease)",
        TWO_HOLDERS,
        found=10,
    ),
    Mistake(
        "shorter lease counted from the answer to its extension",
        "lock-extended",
        grant,
        "self.until = min(self.until, lease_end(sent, lease))",
        "pass",
        TWO_HOLDERS,
        found=15,
    ),
    Mistake(
        "lease of another heartbeat than the one in the record",
        "lock-extended",
        lease,
        "grant.renewed(*earlier)",
        "grant.renewed(earlier.version, earlier.sent, grant.lease)",
        TWO_HOLDERS,
        found=28,
    ),
    Mistake(
        "guard that accepts a successor",
        "lock-storm",
        record,
        GUARD,
        '"fence >= :fence AND attribute_exists(version)"',
        "a stale holder wrote",
    ),
    Mistake(
        "break that leaves the fence",
        "lock-broken",
        breaking,
        "known + 1",
        "known",
        "a break left the fence",
    ),
    Mistake(
        "break that leaves the lock to its holder",
        "lock-broken",
        breaking,
        '"REMOVE #version, #lease_ms, held_since',
        '"REMOVE held_since',
        "a break left 'l' to its holder",
    ),
    Mistake(
        "break of another grant than was seen",
        "lock-broken",
        breaking,
        '"#fence = :fence AND attribute_exists(#version)"',
        '"(#fence = :fence OR #fence > :fence) AND attribute_exists(#version)"',
        "ended|the fence of 'l' went from",
    ),
    Mistake(
        "grant believed by whatever answer",
        "lock-swapped-replies",
        claim,
        "if not (is_of(item, self.name) and shows(item, version)):",
        "if not is_of(item, self.name):",
        TWO_HOLDERS,
    ),
    Mistake(
        "heartbeat believed by whatever answer",
        "lock-swapped-replies",
        lease,
        'if not shows(reply.get("Attributes"), heartbeat.version):',
        "if False:",
        f"{TWO_HOLDERS}|a stale holder wrote|given back",
        found=11,
    ),
    Mistake(
        "release believed by whatever answer",
        "lock-swapped-replies",
        lease,
        'if not _is_released(reply.get("Attributes"), grant, heir):',
        "if False:",
        "given back|is held",
    ),
    Mistake(
        "request that is dated by its clock alone",
        "lock-jumping-clocks",
        claim,
        "max(int(time.wall * 1000), self._void_before)",
        "int(time.wall * 1000)",
        "no progress",
    ),
    Mistake(
        "number of permits that each client writes anew",
        "lock-permits-disagreeing",
        agreed,
        '_AGREEING = "attribute_not_exists(pk) OR #parts = :number"',
        '_AGREEING = "attribute_not_exists(pk) OR attribute_exists(#parts)"',
        "and there are",
    ),
    Mistake(
        "number of permits that counts as agreed without an answer",
        "lock-permits-disagreeing",
        agreed,
        "            yield from claim.budget.after(fault)\n        else:",
        "            yield from claim.budget.after(fault)\n"
        "            agreement.at = now\n        else:",
        "and there are|nothing says",
    ),
    Mistake(
        "refusal of a number that is not heeded",
        "lock-permits-disagreeing",
        agreed,
        "                raise _mismatch(settings.table, agreement, item) from None\n",
        "                agreement.at = now\n",
        "and there are",
    ),
)
