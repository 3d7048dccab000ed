"""The lock protocol: one item a lock, one conditional write a step, no wall clock that decides.

Entry points, all operations (generators over `interlock._protocol.requests`):

- `acquiring.Acquisition(settings, wish, sightings).run()` -> `Grant`; `.abandon()` when it failed
- `renewing.renew(settings, grant)`: one heartbeat; `grant.due` says when the next one is
- `releasing.release(settings, grant)` -> whether the lock was still held
- `reading.inspect(settings, name)` -> `LockRecord | None`
"""
