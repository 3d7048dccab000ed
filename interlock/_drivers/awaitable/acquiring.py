"""An acquisition that is awaited, or entered by `async with`."""

from collections.abc import Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from types import CoroutineType, TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T", bound=AbstractAsyncContextManager[Any])


class Acquiring(Coroutine[Any, Any, T], Generic[T]):
    """An acquisition that has not begun: `await` it for the lock, or hold it by `async with`.

    It stands for a coroutine, so that Python warns (`RuntimeWarning`) when it is never awaited.
    """

    def __init__(self, begin: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self._coroutine = begin()
        # The warning names the method that was called: where its lambda was written.
        if isinstance(self._coroutine, CoroutineType):
            self._coroutine.__qualname__ = begin.__qualname__.partition(".<locals>")[0]
        self._acquired: T | None = None

    def __await__(self) -> Generator[Any, Any, T]:
        return self._coroutine.__await__()

    def send(self, value: Any, /) -> Any:
        """Go on, as a task does with its coroutine."""
        return self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        """Raise an error where it waits, as a task does that is cancelled."""
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """Give it up, as `asyncio.run` does with a coroutine that never ran."""
        self._coroutine.close()

    async def __aenter__(self) -> T:
        self._acquired = await self
        await self._acquired.__aenter__()
        return self._acquired

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        acquired, self._acquired = self._acquired, None
        if acquired is not None:
            await acquired.__aexit__(kind, error, traceback)
