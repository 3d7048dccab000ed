"""Optimistic transactions: read with versions, buffer the writes, validate both in one commit.

After H. T. Kung and J. T. Robinson, "On Optimistic Methods for Concurrency Control" (1981), with
DynamoDB's TransactWriteItems as the validation and write phase in one.
"""
