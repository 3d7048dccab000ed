"""The lock protocol: one item a lock, one conditional write a step.

    holder   grant v1 ......... heartbeat v2 ....... (dies)
    waiter        refused: v1    poll: v2            poll: v2     v2 unchanged for a lease:
                  watch v1       watch v2 from here               take over, if it still is v2

1. Every step is one conditional write, and what it may change is decided by `version`, a unique id
   that each grant and each heartbeat writes. Versions never come back.
2. A holder counts its lease from before it sent the request that wrote a version, a waiter from
   after it read that version: whatever the network did, the holder has stopped first. Both use
   their own monotonic clocks; wall clocks decide only where `max_clock_skew` allows it.
3. A request that was not answered may have been carried out, or may yet be, minutes later.
   Attempts therefore accept each version that this holder has sent and that was not answered;
   and who is done with a lock voids what it has left on its way (`void_before`).
4. A reply counts only if it shows what was asked for: the version or the fence of this request.
   Anything else is a lost reply.

From the call to the wire: `client.LockOperations.acquire` -> `acquire.Acquisition.run` ->
`claim.Claim.attempt` -> `record.grant_update`; `lease` renews, extends, hands over and gives back;
`multi` takes several locks, `permits` one of several; `readers` and `writers` share a lock by its
`door`; `breaking` ends a grant from outside; `reading` looks.
`grant.Grant` is what a holder knows, `observed` what a client has seen, `item` what a record says.
"""
