"""Mutation testing: mistakes are made in a module, and the tests have to notice each."""
