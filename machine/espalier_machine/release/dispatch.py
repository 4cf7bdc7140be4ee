"""Finds the function of a command, and imports only that.

Nothing keeps the bytecode of a zipapp: every start compiles what it imports, and `release status`
is called often.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from espalier_machine.release.machine import Machine

Run = Callable[[Machine, argparse.Namespace], dict[str, Any]]


def find_command(name: str) -> Run:
    """The function of a command that the command line has accepted."""
    match name:
        case "build-wheels":
            from espalier_machine.release.commands.build_wheels import run
        case "check":
            from espalier_machine.release.commands.check import run
        case "clean":
            from espalier_machine.release.commands.clean import run
        case "deploy":
            from espalier_machine.release.commands.deploy import run
        case "hold":
            from espalier_machine.release.commands.hold import run
        case "hook":
            from espalier_machine.release.commands.hook import run
        case "list":
            from espalier_machine.release.commands.list import run
        case "log":
            from espalier_machine.release.commands.log import run
        case "manage":
            from espalier_machine.release.commands.manage import run
        case "migrate":
            from espalier_machine.release.commands.migrate import run
        case "plan":
            from espalier_machine.release.commands.plan import run
        case "prepare":
            from espalier_machine.release.commands.prepare import run
        case "probe":
            from espalier_machine.release.commands.probe import run
        case "remove":
            from espalier_machine.release.commands.remove import run
        case "restart":
            from espalier_machine.release.commands.restart import run
        case "rollback":
            from espalier_machine.release.commands.rollback import run
        case "status":
            from espalier_machine.release.commands.status import run
        case "switch":
            from espalier_machine.release.commands.switch import run
        case "wheels":
            from espalier_machine.release.commands.wheels import run
    return run
