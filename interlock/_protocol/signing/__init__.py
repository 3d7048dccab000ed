"""Signatures over KMS: what to ask it, and what its keys and answers mean."""
