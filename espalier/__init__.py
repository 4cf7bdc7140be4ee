"""Espalier's control side: everything that is computed or decided where a person types commands.

Imports between its rooms run downwards only; `lint-imports` holds them to that.
"""
