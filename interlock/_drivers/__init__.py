"""Drivers, which perform the requests of operations: by threads and blocking, or by tasks."""
