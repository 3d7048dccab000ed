"""All locks of a table, page by page, and their values as JSON has them."""

from typing import TYPE_CHECKING, Any

from interlock.cli._output import Progress, plain

if TYPE_CHECKING:
    from interlock.errors import CorruptRecord
    from interlock.locks import LockClient, LockRecord


def every_lock(
    client: "LockClient", prefix: str, *, held: bool, permits: dict[str, int] | None = None
) -> "tuple[list[LockRecord], list[CorruptRecord]]":
    """Return all locks with a prefix in order of their names, and the corrupt ones.

    `permits` receives the numbers of permits that were agreed upon, by name. Raises
    `ServiceUnavailable` if the pages do not come to an end.
    """
    from interlock.errors import ServiceUnavailable

    found: list[LockRecord] = []
    corrupt: list[CorruptRecord] = []
    scanned, after, progress = 0, None, Progress()
    ends: set[str] = set()
    while True:
        page = client.page(prefix=prefix, held=held, after=after)
        found += page.locks
        corrupt += page.corrupt
        if permits is not None:
            permits |= page.permits
        scanned, after = scanned + page.scanned, page.after
        if after is None:
            progress.clear()
            return sorted(found, key=lambda record: record.name), corrupt
        if after in ends:
            raise ServiceUnavailable(f"the pages of a Scan go round: two end at {after!r}")
        ends.add(after)
        progress.tell(f"{scanned:,} records read, {len(found):,} locks found ...")


def plainly(value: Any) -> Any:
    """Return a value as JSON has it, with all that is in it."""
    if isinstance(value, dict):
        return {key: plainly(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [plainly(member) for member in value]
    return value if isinstance(value, str | int | float | bool | None) else plain(value)
