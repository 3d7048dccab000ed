"""What to ask DynamoDB and what its answers mean, without asking: no I/O, clock, thread or dice.

Every operation is a generator. It yields requests (`interlock._protocol.requests`), is sent their
replies or has a `Fault` thrown in, and returns its result. A driver (`interlock._drivers`, or the
simulator of the tests) performs the requests.
"""
