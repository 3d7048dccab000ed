"""From an API call to the bytes of a request, and from bytes to its answer, without any I/O.

`exchange` is the whole of it for one service. It uses `codec` (JSON), `http1` (the reader of
responses), `shapes` (does this answer that question?) and `interlock._protocol.sigv4`. `endpoints`,
`settings` and `credentials` say where to, how and as who; `limits` for how long. The transports in
`interlock._drivers` move the bytes.
"""
