"""Locks, transactions, counters and signatures on DynamoDB."""

__all__: list[str] = []
