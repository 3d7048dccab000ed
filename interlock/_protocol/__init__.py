"""The protocols as pure generators: no I/O, no clock, no thread, no randomness.

Every operation is a generator. It yields requests (`interlock._protocol.requests`), is sent their
replies or has a `Fault` thrown in, and returns its result. A driver (`interlock._drivers`, or the
simulator of the tests) performs the requests.
"""
