"""Limits of the trials: each a context manager that checks, by measuring, that it has taken effect.

Raises `tests.steps.Wrong` where it has not, and undoes itself in any case.
"""
