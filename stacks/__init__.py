"""The reference application: a distributed counter, one stack a module."""
