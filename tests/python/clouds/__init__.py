"""Fake clouds: one threaded server for each kind of upstream, which checks what it gets with the vendor's own code.

`server` is what they share, `brain` what they all think, `dialects` how each wire says it, `credentials` how each
knows its caller. A request that a vendor would refuse is refused in the vendor's shape and remembered in `refusals`.
"""
