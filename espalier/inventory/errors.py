"""The error of this room: an inventory that is refused."""

from __future__ import annotations


class InventoryError(ValueError):
    """The inventory makes no sense; says what is wrong, where, and what to write instead."""
