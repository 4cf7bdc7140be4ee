"""What gixy says of a web machine's configuration, as nginx itself reads it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from espalier.audit.rows import Row, not_checked

CHECK = "nginx"
EXPECTED = "gixy finds nothing"


def arguments(config: str) -> list[str]:
    """What gixy is asked, of a file with what `nginx -T` said."""
    return ["-f", "json", config]


def findings(output: str) -> list[Mapping[str, Any]]:
    """What gixy found. ValueError: it did not say."""
    found: list[Mapping[str, Any]] = json.loads(output)
    return found


def rows(machine: str, output: str) -> list[Row]:
    """One row: each of gixy's plugins that found something is a fault."""
    try:
        found = findings(output)
    except ValueError:
        return [not_checked(CHECK, machine, f"gixy: {output.strip()[-200:]}", EXPECTED)]
    faults = tuple(dict.fromkeys(str(one["plugin"]) for one in found))
    words = "; ".join(f"{one['plugin']}: {one['reason'] or one['summary']}" for one in found)
    return [Row(CHECK, machine, "", words or "nothing", EXPECTED, faults)]
