"""What a driver answers without the network: identifiers, draws, clocks, and who it is."""

import os
import random
import socket
import uuid

import pytest

from interlock._drivers.environment import Environment, random_id, random_number
from interlock._drivers.owner import default_owner
from interlock._protocol.requests import (
    Call,
    Draw,
    Monotonic,
    NewId,
    Sleep,
    TimeOfDay,
    WallClock,
)


def drawing(monkeypatch, draw):
    """Let the system's random bytes be of this function, of their number."""
    monkeypatch.setattr(os, "urandom", draw)


@pytest.mark.parametrize("seed", range(8))
def test_an_identifier_is_a_random_uuid(monkeypatch, seed):
    drawing(monkeypatch, lambda size: random.Random(seed).randbytes(size))  # noqa: S311 - the same again
    assert random_id() == str(uuid.UUID(bytes=os.urandom(16), version=4))


@pytest.mark.parametrize("byte", [b"\0", b"\xff"])
def test_each_bit_of_an_identifier_is_its_own(monkeypatch, byte):
    drawing(monkeypatch, lambda size: byte * size)
    assert random_id() == str(uuid.UUID(bytes=os.urandom(16), version=4))


@pytest.mark.parametrize(
    ("drawn", "number"),
    [
        (0, 0.0),
        (2**56 - 1, 1 - 2.0**-53),
        (2**55, 0.5),
        (2**3, 2.0**-53),
        (2**3 - 1, 0.0),
    ],
)
def test_a_number_is_of_53_bits_and_less_than_one(monkeypatch, drawn, number):
    drawing(monkeypatch, lambda size: drawn.to_bytes(7, "big") if size == 7 else b"")
    assert random_number() == number


def test_a_driver_answers_what_needs_no_network():
    environment = Environment(
        monotonic=lambda: 1.0, wall_clock=lambda: 2.0, draw=lambda: 0.5, new_id=lambda: "id"
    )
    requests = (Monotonic(), WallClock(), Draw(), NewId())
    assert [environment.answer(each) for each in requests] == [1.0, 2.0, 0.5, "id"]
    for request in (Call("GetItem", {}), Sleep(1.0), TimeOfDay()):
        with pytest.raises(TypeError, match="is for the driver"):
            environment.answer(request)
    assert environment.left(Call("GetItem", {}, 3.5)) == 2.5
    assert environment.left(Call("GetItem", {})) is None


@pytest.mark.parametrize(
    ("environ", "owner"),
    [
        ({}, "{host}/{process}"),
        ({"AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_LOG_STREAM_NAME": "s"}, "f/s"),
        ({"AWS_LAMBDA_FUNCTION_NAME": "f"}, "f/{process}"),
    ],
)
def test_a_holder_is_named_by_where_it_runs(monkeypatch, environ, owner):
    for name in ("AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert default_owner() == owner.format(host=socket.gethostname(), process=os.getpid())
