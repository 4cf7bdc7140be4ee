"""The command line: a command, its arguments as JSON on standard input, its result as JSON."""

from __future__ import annotations

import json
import secrets
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from espalier_machine.common import lifeline
from espalier_machine.importing import archive, source, target
from espalier_machine.importing.errors import ImportingError
from espalier_machine.importing.sql import Dump, clean


def inspect(folder: Path, kind: str) -> dict[str, Any]:
    """Look into the file `dump`, and prepare what is loaded of it."""
    if kind == "custom":
        return archive.inspect(folder, "dump")
    target.require_restrict(folder)
    found, key = Dump(), secrets.token_hex(16).encode()
    with (folder / "dump").open("rb") as lines, (folder / "clean.sql").open("wb") as out:
        # Whatever the dump has in it that was not seen: no command of psql's is run.
        out.write(b"\\restrict " + key + b"\n")
        out.writelines(clean(lines, found))
        out.write(b"\\unrestrict " + key + b"\n")
    return {"extensions": found.extensions, "left_out": found.left_out, "rows": found.rows}


COMMANDS: Mapping[str, Callable[..., dict[str, Any]]] = {
    "look": target.look,
    "source": source.look,
    "dump": source.dump,
    "inspect": inspect,
    "load": target.load,
    "swap": target.swap,
    "drop": target.drop,
}


# They are brief, and end whoever waits for them.
BRIEF = ("swap", "drop")


def main() -> int:
    """Run `COMMAND`; gives the exit status, 1 with `error` and `detail` in the result.

    Its arguments are the first line of standard input, which then stays open: see `lifeline`.
    """
    folder, command = Path(sys.argv[0]).resolve().parent, sys.argv[1]
    lifeline.hold(folder)
    try:
        arguments = json.loads(sys.stdin.readline())
        if command not in BRIEF:
            lifeline.follow_input()
        result = COMMANDS[command](folder, **arguments)
    except ImportingError as error:
        print(json.dumps({"error": str(error), "detail": error.detail}))
        return 1
    except lifeline.Abandoned:
        shutil.rmtree(folder, ignore_errors=True)  # a password and somebody's data are in it
        return 1
    print(json.dumps(result))
    return 0
