"""What can go wrong."""

from __future__ import annotations


class BackupError(Exception):
    """A sentence for a person; it holds no secret."""


class MissingRepository(BackupError):
    """There is no repository at the destination yet."""
