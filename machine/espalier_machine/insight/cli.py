"""Record this machine for `espalier measure` and `espalier load`, which run it.

    espalier-insight record --seconds 600 --options '{"project": "shop", "units": {…}}'

Prints a line of JSON each second, and what is known only at the end. It ends by itself after so
many seconds, at a signal, or with its standard input or output. It changes nothing on the machine,
but for the file that asks Django to time its requests while it records.
"""

from __future__ import annotations

import argparse
import os
import resource
import sys

from espalier_machine.common import installed
from espalier_machine.insight.options import OptionsError, parse
from espalier_machine.insight.record import Stop, record

_LONGEST = 24 * 3600


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; gives the exit status: 2 for wrong use."""
    parser = argparse.ArgumentParser(
        prog="espalier-insight",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    words = commands.add_parser("record", help="record this machine")
    words.add_argument("--seconds", type=float, required=True, help="how long, at most a day")
    words.add_argument("--options", required=True, help="what to record, a JSON object")
    given = parser.parse_args(arguments)
    if not 1 <= given.seconds <= _LONGEST:
        parser.error(f"--seconds must be from 1 to {_LONGEST}, not {given.seconds:g}.")
    try:
        options = parse(given.options)
    except OptionsError as error:
        print(error, file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("espalier-insight must be run as root, such as by sudo.", file=sys.stderr)
        return 2
    installed.mark_in_use()
    # Each process and thread that is watched is an open file.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    record(options, given.seconds, Stop(sys.stdin.fileno()))
    installed.remove_unused("espalier-insight")
    return 0
