"""Run a test of the blocking clients on the awaitable ones too.

The awaitable half runs on an event loop of its own thread, where its heartbeats go on between two
calls; `Synchronous` stands before its objects, so that a test awaits nothing and says everything
once:

    @pytest.fixture(params=HALVES, ids=str)
    def half(request):
        with request.param() as half:
            yield half

    def test_a_held_lock_is_not_given_twice(half):
        locks = half.wrap(half.locks.LockClient("t", client=half.client(store)))
        with locks.acquire("a"):
            assert locks.try_acquire("a") is None
"""

import asyncio
import functools
import importlib
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Self

from interlock._drivers.awaitable.driver import Driver as AwaitableDriver
from interlock._drivers.blocking.driver import Driver as BlockingDriver
from interlock._drivers.environment import Environment
from interlock._drivers.service_clock import ServiceClock
from interlock._protocol.requests import Call

Answer = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]


class Half:
    """One half of the library: its modules, and a client over a function that answers calls."""

    awaitable = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is to be ended."""

    def __getattr__(self, name: str) -> Any:
        return importlib.import_module(f"{self.package}.{name}")

    @property
    def package(self) -> str:
        """The package that has this half's modules."""
        return "interlock.aio" if self.awaitable else "interlock"

    def client(
        self,
        answer: Answer,
        environment: Environment | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> Any:
        """Return what to pass as `client=`, so that each call is answered by a function.

        `sleep` lets pauses pass, which take their time by default.
        """
        pauses: dict[str, Any] = {} if sleep is None else {"sleep": sleep}
        transport = _Answering(answer, environment)
        return BlockingDriver(transport, environment=environment, **pauses)

    def function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function of the test as this half's clients take one."""
        return function

    def wrap(self, value: Any) -> Any:
        """Return an object of this half as a test uses it."""
        return value

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a class or function of this half."""
        return function(*args, **kwargs)


class AwaitableHalf(Half):
    """The awaitable half, on a loop in a thread of its own."""

    awaitable = True

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._loop.shutdown_asyncgens())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def client(
        self,
        answer: Answer,
        environment: Environment | None = None,
        sleep: Callable[[float], None] | None = None,
    ) -> Any:
        transport = _AnsweringSoon(answer, environment)
        if sleep is None:
            return AwaitableDriver(transport, environment=environment)

        async def pause(seconds: float) -> None:
            sleep(seconds)

        return AwaitableDriver(transport, environment=environment, sleep=pause)

    def function(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        async def coroutine(*args: Any, **kwargs: Any) -> Any:
            wrapped = [self.wrap(argument) for argument in args]
            # On another thread, as the test's function waits for what it calls.
            return await asyncio.to_thread(function, *wrapped, **kwargs)

        return coroutine

    def wrap(self, value: Any) -> Any:
        kind: Any = type(value)
        module = getattr(kind, "__module__", "")
        is_ours = module.partition(".")[0] == "interlock" or isinstance(value, AsyncIterator)
        return Synchronous(value, self) if is_ours and _has_coroutines(kind) else value

    def run(self, awaitable: Any) -> Any:
        """Return what an awaitable returns, or raise what it raises."""

        async def waited_for() -> Any:
            return await awaitable

        return asyncio.run_coroutine_threadsafe(waited_for(), self._loop).result()

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function on the loop, and await what it returns if that is to be awaited."""

        async def called() -> Any:
            result = function(*_bare(args), **_bare(kwargs))
            return await result if inspect.isawaitable(result) else result

        return asyncio.run_coroutine_threadsafe(called(), self._loop).result()


HALVES = (Half, AwaitableHalf)


class Synchronous:
    """An awaitable object whose methods are waited for."""

    def __init__(self, value: Any, half: AwaitableHalf) -> None:
        self.__dict__.update(_value=value, _half=half)

    def __getattr__(self, name: str) -> Any:
        half, found = self._half, getattr(self._value, name)
        if not callable(found):
            return half.wrap(found)
        return lambda *args, **kwargs: half.wrap(half.call(found, *_bare(args), **_bare(kwargs)))

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._value, name, value)

    def __enter__(self) -> Any:
        return self._half.wrap(self._half.call(self._value.__aenter__))

    def __exit__(self, *raised: object) -> Any:
        return self._half.call(self._value.__aexit__, *raised)

    def __iter__(self) -> Any:
        if not hasattr(self._value, "__anext__"):
            yield from map(self._half.wrap, self._value)
            return
        while True:
            try:
                yield self._half.run(self._value.__anext__())
            except StopAsyncIteration:
                return

    def __len__(self) -> int:
        return len(self._value)

    def __getitem__(self, index: Any) -> Any:
        return self._half.wrap(self._value[index])

    def __eq__(self, other: object) -> bool:
        return bool(self._value == _bare(other))

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return repr(self._value)


def _bare(value: Any) -> Any:
    """Return what stands behind `Synchronous`, within arguments too."""
    if isinstance(value, Synchronous):
        return value._value
    if isinstance(value, tuple) and type(value) is tuple:
        return tuple(map(_bare, value))
    if isinstance(value, dict):
        return {name: _bare(one) for name, one in value.items()}
    return value


@functools.cache
def _has_coroutines(kind: Any) -> bool:
    members = (getattr(kind, name, None) for name in dir(kind))
    return hasattr(kind, "__anext__") or any(
        inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member)
        for member in members
    )


class _Answering:
    """A transport whose service is a function, with the client's clock."""

    at_once = 256

    def __init__(self, answer: Answer, environment: Environment | None) -> None:
        self._answer = answer
        clocks = environment or Environment()
        self.clock = ServiceClock(clocks.monotonic)
        self.clock.learn(clocks.wall_clock(), clocks.wall_clock(), self.clock.now())

    def send(self, call: Call, _timeout: float | None) -> Mapping[str, Any]:
        return self._answer(call.operation, call.params)


class _AnsweringSoon(_Answering):
    async def send(self, call: Call, _timeout: float | None) -> Any:  # type: ignore[override]
        # On another thread: what answers may itself use a client of this half, as a rival would.
        return await asyncio.to_thread(self._answer, call.operation, call.params)
