"""`release switch`: put a prepared release live."""

from __future__ import annotations

import argparse
from typing import Any

from espalier_machine.release.machine import Machine
from espalier_machine.release.switch import go_live, put_live


def run(machine: Machine, args: argparse.Namespace) -> dict[str, Any]:
    """Put a prepared release live."""
    return go_live(machine, machine.require(args.id), put_live)
