"""An acquisition that is awaited, or entered by `async with`."""

from collections.abc import Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T", bound=AbstractAsyncContextManager[Any])


class Acquiring(Generic[T]):
    """An acquisition that has not begun: `await` it for the lock, or hold it by `async with`."""

    def __init__(self, begin: Callable[[], Awaitable[T]]) -> None:
        self._begin = begin
        self._acquired: T | None = None

    def __await__(self) -> Generator[Any, None, T]:
        return self._begin().__await__()

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
