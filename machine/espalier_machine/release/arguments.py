"""The command line of `release`: its commands and their options."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Each command: its operand, and what it does.
COMMANDS = {
    "deploy": ("ARCHIVE", "build a release, migrate, put it live, tidy up"),
    "prepare": ("ARCHIVE", "only build a release"),
    "migrate": ("ID", "only migrate the database to a release"),
    "switch": ("ID", "only put a built release live"),
    "restart": ("", "start the live release anew, as after a change of settings"),
    "rollback": ("[ID]", "put the release live that was live before"),
    "hook": ("WHAT", "run the project's hooks of a moment (MOMENT or MOMENT:ID)"),
    "check": ("ID", "refuse a rollback that the database does not allow any more"),
    "plan": ("ID", "say what a built release would change"),
    "probe": ("", "ask the live release through this machine's nginx"),
    "wheels": ("ID FILE", "write the wheels that were built for a release into a tar"),
    "build-wheels": ("ARCHIVE FILE", "only build wheels for an archive, for other machines"),
    "remove": ("ID", "remove a release that nothing runs from"),
    "clean": ("", "remove old releases and leftovers"),
    "hold": ("WHAT", "hold the lock over the whole site, as the control machine does"),
    "log": ("", "say what went live here, when, and who did it"),
    "manage": ("WORDS", "run the live release's manage.py, as the project's user"),
    "list": ("", "list the releases on this machine"),
    "status": ("", "say what is live and how it is"),
}
READING = ("list", "status", "log", "probe", "manage", "check", "plan", "wheels")  # need no lock


def parse_arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line; exits with 2 when it is wrong."""
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--json", action="store_true", help="print one JSON object")
    common.add_argument("--project", help="which project, when this machine has several")
    common.add_argument("--by", help="who does it, for the log (default: who called sudo)")
    common.add_argument(
        "--accept", action="append", metavar="APP.MIGRATION", help="though it is unsafe; or `all`"
    )
    common.add_argument("--token", help="of the lock over the whole site that this belongs to")
    common.add_argument(
        "--only-here",
        action="store_true",
        help="on a site of several machines: change this machine, and no other one",
    )
    what = "Build, switch and roll back the releases of a Django project on this machine."
    parser = argparse.ArgumentParser("release", description=what, parents=[common])
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (operand, text) in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=text, parents=[common])
        if operand == "ARCHIVE":
            sub.add_argument("archive", type=Path, metavar="ARCHIVE")
            sub.add_argument("--id", default=None, help="name of the release (default: the time)")
            text = "of several, what the site's other machines have (default: what this one has)"
            sub.add_argument("--settings", default="", metavar="MODULE", help=text)
            if name == "prepare":
                text = "wheels that another machine has built, as `release wheels` writes them"
                sub.add_argument("--wheels", type=Path, metavar="FILE", help=text)
        elif operand.endswith(" FILE"):
            if operand == "ID FILE":
                sub.add_argument("id", metavar="ID")
            else:
                sub.add_argument("archive", type=Path, metavar="ARCHIVE")
                text = "a Debian package that is installed before, as the site's machines have it"
                sub.add_argument("--package", action="append", default=[], help=text)
            sub.add_argument("file", type=Path, metavar="FILE")
        elif operand == "WORDS":
            sub.add_argument("words", nargs=argparse.REMAINDER, metavar="-- COMMAND …")
        elif operand == "WHAT":
            sub.add_argument("what", metavar="WHAT")
        elif name == "probe":
            text = "how long it may take to answer (default: 15)"
            sub.add_argument("--timeout", type=float, default=15, metavar="SECONDS", help=text)
        elif operand:
            sub.add_argument("id", metavar="ID", nargs="?" if operand == "[ID]" else None)
    args = parser.parse_args(argv)
    defaults: dict[str, Any] = {
        "json": False,
        "project": None,
        "by": os.environ.get("SUDO_USER") or "root",
        "token": "",
        "only_here": False,
        "accept": [],
        "wheels": None,
    }
    return argparse.Namespace(**defaults | vars(args))
