"""The program `espalier-alerts`: tells somebody when a unit of this machine begins to fail.

A timer runs it every minute, and systemd at once where a unit fails: docs/decisions/0015.
"""
