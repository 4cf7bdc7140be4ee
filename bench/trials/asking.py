"""What the kit's commands answer with --json; a load is sent again where its sender was late."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.steps import Lab, Wrong

TRIES = 3


def answer(said: str) -> dict[str, Any]:
    """The object that a command printed last; Wrong where it printed none."""
    for line in reversed(said.splitlines()):
        if line.startswith("{"):
            found: dict[str, Any] = json.loads(line)
            return found
    raise Wrong(f"no JSON was printed: {said[-500:]!r}")


def sent(lab: Lab, profile: Path, how: Sequence[str]) -> dict[str, Any]:
    """Send a load; gives what it found. One whose sender was late itself is sent again.

    Raises:
        Wrong: it was refused, or the sender was late each time.
    """
    why = ""
    for _ in range(TRIES):
        said = lab.espalier(
            "load",
            "--profile",
            str(profile),
            *how,
            "--json",
            status=None,
            with_errors=False,
        )
        found = answer(said)
        if found.get("ok") and found.get("valid"):
            return found
        if not found.get("ok"):
            raise Wrong(f"the load was refused: {found}")
        why = str(found.get("invalid"))
    raise Wrong(f"{TRIES} loads are invalid: {why}")
