"""Base of what belongs to the process that made it: clients, and what they hand out."""

from typing import ClassVar, NoReturn, SupportsIndex


class Unshared:
    """Base that refuses to be pickled or copied.

    Connections, leases and heartbeats cannot be in two places. A fork is no copy in this sense:
    after one, a client begins anew and holds nothing.
    """

    __slots__ = ()
    _instead: ClassVar[str] = "make one in each process, of the same table or key"

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Raise TypeError; `pickle`, `copy` and `multiprocessing` come here."""
        name = type(self).__name__
        raise TypeError(
            f"a {name} is this process's and cannot be pickled or copied: {self._instead}"
        )
