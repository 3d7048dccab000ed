"""Settings by which an instance finds the others, and is found (docs/service.md)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """The service's name in Cloud Map, and the key by which members know each other's word.

    `registry` is the id of the service in Cloud Map in which an instance registers itself; None
    where ECS registers its tasks.
    """

    namespace: str
    service: str
    key_id: str
    registry: str | None = None
