"""The base of all errors."""

from typing import Any, Self

_EXPLAINED = "https://interlock.example/howto/troubleshooting.html"


class InterlockError(Exception):
    """The base of every error of this library; tracebacks end with the address that explains it."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.add_note(self._explained())

    @classmethod
    def _explained(cls) -> str:
        """Return the address that explains this error; of an application's own, its parent's."""
        ours = next(kind for kind in cls.__mro__ if kind.__module__.startswith("interlock."))
        return _EXPLAINED if ours is InterlockError else f"{_EXPLAINED}#{ours.__name__.lower()}"

    def __reduce__(self) -> tuple[Any, ...]:
        # By default an exception is unpickled from its text alone, which these do not take: a pool
        # of processes would break on the error of a task.
        return self._restored, (self.args, self.__dict__)

    @classmethod
    def _restored(cls, arguments: tuple[Any, ...], state: dict[str, Any]) -> Self:
        error = cls.__new__(cls, *arguments)
        error.__dict__.update(state)
        return error
