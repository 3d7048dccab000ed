"""Measure the checks that a reply answers its call, as a share of a lock cycle.

The checks are those of `Exchange.reply` (checksum, request id, shape and key of what it shows) and
the comparison of the version. They are timed alone, on the replies that the cycles brought.
"""

import statistics
import time
import zlib
from collections.abc import Mapping
from typing import Any
from unittest.mock import patch

from benchmarks.locks.peers import TABLE
from interlock import LockClient
from interlock._protocol.locks.item import shows
from interlock._protocol.requests import Call
from interlock._wire import codec, shapes
from interlock._wire.exchange import Exchange
from interlock._wire.http1 import Response

REPEATED = 20  # times that the checks of one reply are run, to be measured at all

Seen = list[tuple[Call, Response, Mapping[str, Any]]]


def report(rounds: int) -> None:
    """Acquire and release by the library's own transport, and print the checks' part of it."""
    seen: Seen = []
    believe = Exchange.reply

    def reply(self: Exchange, call: Call, response: Response) -> Mapping[str, Any]:
        seen.append((call, response, codec.decode(call.operation, response.body)))
        return believe(self, call, response)

    cycles = []
    with LockClient(TABLE) as locks:
        locks.acquire("checked").release()
        for _ in range(rounds):
            began = time.perf_counter()
            locks.acquire("checked").release()
            cycles.append(time.perf_counter() - began)
        with patch.object(Exchange, "reply", reply):
            for _ in range(rounds):
                locks.acquire("checked").release()
    cycle = statistics.median(cycles)
    checks = statistics.median(_seconds(one) for one in seen) * len(seen) / rounds
    print(
        f"\nchecking replies: {checks * 1e6:.1f} us of {cycle * 1e6:.0f} us a cycle, "
        f"{checks / cycle:.2%} (median of {rounds})"
    )


def _seconds(reply: tuple[Call, Response, Mapping[str, Any]]) -> float:
    call, response, decoded = reply
    began = time.perf_counter()
    for _ in range(REPEATED):
        _check(call, response, decoded)
    return (time.perf_counter() - began) / REPEATED


def _check(call: Call, response: Response, decoded: Mapping[str, Any]) -> None:
    sound = response.headers.get("x-amz-crc32") == str(zlib.crc32(response.body))
    known = "x-amzn-requestid" in response.headers
    shapes.checked(call, decoded)
    shows(decoded.get("Attributes"), "version")
    assert known or sound
