"""The simulator's world with a wire in it: answers travel as bytes, which may be tampered with."""

from typing import Any

from interlock._protocol.faults import Fault, NoReply, Refused
from interlock._protocol.requests import Call
from interlock._wire.endpoints import parse
from interlock._wire.exchange import SERVICES, Exchange
from interlock._wire.http1 import NotUnderstood, ResponseReader
from tests.simulation.process import Task
from tests.simulation.world import World
from tests.wire.service import LIES, answer, error_of

_EXCHANGE = Exchange(SERVICES["dynamodb"], parse("http://store.example", "us-east-1"), {})
_ANOTHER = "another request's reply"


class WireWorld(World):
    """A world in which `lies` of the answers are not what the store said, until faults end.

    `told` counts the lies by kind. Among them are the answers to other writes of the same item.
    """

    def __init__(self, seed: int, *, lies: float, **options: Any) -> None:
        super().__init__(seed, **options)
        self.lies = lies
        self.told: dict[str, int] = {}
        self._calls: dict[Task, Call] = {}
        self._writes: list[tuple[Task, bytes]] = []

    def send(self, task: Task, call: Call) -> None:
        """Remember what a task asks, to hold the answer against it."""
        self._calls[task] = call
        super().send(task, call)

    def _answer(
        self, task: Task, token: int | None, reply: Any, fault: Fault | None, instead: Fault | None
    ) -> None:
        call = self._calls[task]
        if token is not None and instead is None:
            refused = isinstance(fault, Refused)
            honest = answer(400, error_of(fault)) if refused else answer(200, reply)  # type: ignore[arg-type]
            told = self._tampered(task, call, honest)
            if not refused and call.operation == "UpdateItem":
                self._writes.append((task, honest))
            reply, fault = _believed(call, told)
        super()._answer(task, token, reply, fault, instead)

    def _tampered(self, task: Task, call: Call, honest: bytes) -> bytes:
        if self.now >= self.faults.until or self.rng.random() >= self.lies:
            return honest
        kind = self.rng.choice((*LIES, _ANOTHER))
        others = [told for other, told in self._writes if other is not task]
        if kind == _ANOTHER and not (others and call.operation in ("UpdateItem", "GetItem")):
            return honest
        self.told[kind] = self.told.get(kind, 0) + 1
        self.timeline.add(self.now, task.process.name, "   !", f"answered by {kind}")
        return self.rng.choice(others) if kind == _ANOTHER else LIES[kind](honest)


def _believed(call: Call, data: bytes) -> tuple[Any, Fault | None]:
    """Return what a transport makes of the bytes on its connection, which then ends."""
    reader = ResponseReader()
    try:
        response = reader.feed(data)
        if response is None:
            reader.end()
        return _EXCHANGE.reply(call, response), None
    except NotUnderstood as error:
        return None, NoReply(str(error))
    except Fault as fault:
        return None, fault
