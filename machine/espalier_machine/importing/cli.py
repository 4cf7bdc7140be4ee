"""The command line: a command, its arguments as JSON on standard input, its result as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from espalier_machine.importing import archive, source, target
from espalier_machine.importing.errors import ImportingError
from espalier_machine.importing.sql import Dump, clean


def inspect(folder: Path, kind: str) -> dict[str, Any]:
    """Look into the file `dump`, and prepare what is loaded of it."""
    if kind == "custom":
        return archive.inspect(folder, "dump")
    found = Dump()
    with (folder / "dump").open("rb") as lines, (folder / "clean.sql").open("wb") as out:
        out.writelines(clean(lines, found))
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


def main() -> int:
    """Run `COMMAND`; gives the exit status, 1 with `error` and `detail` in the result."""
    folder = Path(sys.argv[0]).resolve().parent
    try:
        result = COMMANDS[sys.argv[1]](folder, **json.load(sys.stdin))
    except ImportingError as error:
        print(json.dumps({"error": str(error), "detail": error.detail}))
        return 1
    print(json.dumps(result))
    return 0
