"""A command's answer, as plain data for JSON."""

from __future__ import annotations

from typing import Any

from espalier_machine.release.record import Release


def done(action: str, release: Release, message: str) -> dict[str, Any]:
    """A command's result."""
    return {
        "action": action,
        "changed": action != "unchanged",
        "id": release.id,
        "identity": release.record["identity"],
        "message": message,
    }
