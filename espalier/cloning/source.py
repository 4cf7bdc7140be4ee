"""The machine with the backups: a moment of them, dumped there and fetched from there.

Its program `database-backup` restores the moment into a cluster that is thrown away, anonymises it
there, and writes a dump, which is removed there once it is here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espalier.arriving.primary import AS_POSTGRES
from espalier.inventory.remote import Remote, explain, root_command
from espalier.inventory.site import Site, SiteError
from espalier.restoring.ask import ask_long
from espalier.rollout.display import Display
from espalier.wiring.pgbackrest import makers
from espalier_machine.common.text import shown_size

LEFT = 2**30  # bytes that are left free here


def machine(site: Site) -> str:
    """The machine that makes the backups of a site, and reads them."""
    return makers(site.topology)[0]


def bring(
    remote: Remote,
    name: str,
    said: Mapping[str, Any],
    into: Path,
    display: Display,
    notes: list[str],
) -> dict[str, Any]:
    """Have a machine write a dump, and fetch it; gives the machine's answer.

    Args:
        remote: how it is reached.
        name: of the machine.
        said: what `database-backup export` takes.
        into: a new file for the dump.
        display: shows the steps.
        notes: gets a sentence where the dump there could not be removed.

    Raises:
        SiteError: it failed; no dump is left there.
    """
    answer: dict[str, Any] = {}
    try:
        with display.step("export", name) as shown:
            answer = export(remote, name, said)
            shown.append(answer["target"]["what"])
        with display.step("fetch", name) as shown:
            fetch(remote, name, answer, into)
            shown.append(shown_size(answer["bytes"]))
    finally:
        if answer and remote.run(name, [*AS_POSTGRES, "rm", "-f", answer["path"]])[0]:
            notes.append(
                f"{name} still has the dump, {answer['path']}: the second nightly backup from now "
                "removes it"
            )
    return answer


def export(remote: Remote, name: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """Have a machine write a dump; gives its answer.

    Returns: `path` and `bytes` of the dump, the `target`, its `moment` in Unix seconds, and rows by
    table: `anonymised`, `sessions`.

    Raises:
        SiteError: it failed there, with the program's own sentence.
    """
    return ask_long(remote, name, "export", said)


def fetch(remote: Remote, name: str, answer: Mapping[str, Any], into: Path) -> None:
    """Fetch a dump as a stream, into a new file that only its owner reads.

    Args:
        remote: how the machine is reached.
        name: of the machine.
        answer: what `export` gave.
        into: the file.

    Raises:
        SiteError: there is no room here, or it did not arrive.
    """
    size, free = answer["bytes"], shutil.disk_usage(into.parent).free
    if size + LEFT > free:
        raise SiteError(
            f"The dump has {shown_size(size)}, and the disk of this computer under {into.parent} "
            f"{shown_size(free)} free: name another directory in TMPDIR. Nothing was changed."
        )
    words = [*AS_POSTGRES, "cat", answer["path"]]
    line, password = root_command(remote.site.variables[name], words)
    with open(into, "xb", opener=_private) as file:
        done = subprocess.run(
            [*remote.command(name), line],
            input=password.encode(),
            stdout=file,
            stderr=subprocess.PIPE,
            env=remote.environment,
        )
    errors = done.stderr.decode(errors="replace")
    if done.returncode or into.stat().st_size != size:
        raise SiteError(
            f"{name}: the dump did not arrive whole: {explain(errors)}. Nothing was changed.",
            1,
            errors,
        )


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)
