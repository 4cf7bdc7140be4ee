"""`release clean`: remove what is no longer needed."""

from __future__ import annotations

import argparse
from typing import Any

from espalier_machine.release.machine import Machine
from espalier_machine.release.prune import clean


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Remove what is no longer needed."""
    removed = clean(machine)
    return {"changed": bool(removed), "removed": removed, "message": f"removed {len(removed)}."}
