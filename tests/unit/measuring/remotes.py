"""Machines that are processes here: they print the lines of a recording, as over SSH."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from espalier.insight.recording import Request
from espalier.inventory.site import Site

MACHINE = {"machine": {"cores": 2.0, "memory_mb": 2048.0, "services": ["nginx", "django"]}}
# Settings as grep finds them, and Django's answer below something that settings print.
SETTINGS = 'ESPALIER_WEB_WORKERS="3"\nESPALIER_WEB_THREADS="4"\nmax_connections = 250\n'
DJANGO = 'hello\n{"age": 600, "pool": false}\n'


def row(t: float, **more: Any) -> list[Any]:
    """A request as the machine's program prints it."""
    values: dict[str, Any] = dict.fromkeys(Request._fields, 0)
    values |= {"t": t, "path": "/", "key": "k", "method": "GET", "status": 200, "took": 0.1}
    values |= {"upstream": 0.1, "cache": "", "personal": False, "target": "", "view": "home"}
    return list((values | {"app": 0.1} | more).values())


def end_lines(rows: Sequence[list[Any]] = ()) -> list[dict[str, Any]]:
    """What the program prints when it is told to end."""
    return [
        {"requests": {"every": 1, "rows": list(rows)}},
        {"statements": [{"id": "1", "text": "SELECT", "calls": 3, "seconds": 0.1}]},
        {"cost": {"cpu": 0.01, "memory_mb": 12.0}},
        {"errors": ["pgbouncer was not asked."]},
        {"end": True},
    ]


@dataclass
class FakeRemote:
    """A remote whose machines are shell scripts.

    Attributes:
        folder: for what they print.
        first: lines that are printed at once; last: those after the end of the input.
        script: another program in place of that which records, by machine.
    """

    site: Site
    folder: Path
    first: Sequence[dict[str, Any]] = (MACHINE,)
    last: Sequence[dict[str, Any]] = field(default_factory=end_lines)
    script: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, list[str]]] = field(default_factory=list)

    def start(
        self, machine: str, words: Sequence[str], *, keep_input: bool = False, **pipes: Any
    ) -> subprocess.Popen[str]:
        """Start a script in place of a command on a machine."""
        self.asked.append((machine, list(words)))
        for name, lines in (("first", self.first), ("last", self.last)):
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (self.folder / name).write_text(text)
        script = {
            "espalier-insight": "cat first; cat >/dev/null; cat last",
            "sh": f"printf '%s' '{SETTINGS}'",
            "release": f"printf '%s' '{DJANGO}'",
        }[words[0]]
        if words[0] == "espalier-insight":
            script = self.script.get(machine, script)
        return subprocess.Popen(
            ["sh", "-c", script],
            stdin=subprocess.PIPE if keep_input else subprocess.DEVNULL,
            cwd=self.folder,
            text=True,
            **pipes,
        )
