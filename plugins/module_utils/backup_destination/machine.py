"""Tries a directory of this machine, which keeps the backups."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from typing import Any

from .problem import Problem
from .trial import CONTENT, beginning, info_file, trial_name

MIN_FREE = 10**9  # bytes that a machine needs for its first backup


def try_machine(
    settings: Mapping[str, Any], secrets: Mapping[str, str], stanza: str, seen: dict[str, Any]
) -> None:
    """Try this machine; arguments and errors are those of `try_s3`."""
    path = parent = settings["path"]
    while not os.path.isdir(parent):
        parent = os.path.dirname(parent)
    seen["has_backups"] = os.path.isfile(info_file(path, stanza))
    if seen["has_backups"]:
        with open(info_file(path, stanza), "rb") as stream:
            seen["info_begins"] = beginning(stream.read())
    seen["free_bytes"] = free = shutil.disk_usage(parent).free
    other = "or put another machine into the group `backup` of hosts.yml"
    if free < MIN_FREE:
        raise Problem(
            f"This machine is to keep the backups in {path}, and has {free / 10**9:.1f} GB free in "
            f"{parent}. Make room for at least 1 GB, {other}."
        )
    name = trial_name(parent.rstrip("/"))
    try:
        with open(name, "xb") as stream:
            stream.write(CONTENT)
        with open(name, "rb") as stream:
            read = stream.read()
        os.unlink(name)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise Problem(
            f"This machine is to keep the backups in {path}, and cannot write in {parent} "
            f"({error.strerror}). Have its disk repaired, or mounted for writing, {other}."
        ) from error
    if read != CONTENT:
        raise Problem(
            f"The disk that has {parent} on this machine gives back something else than was "
            f"written to it. Replace the disk, {other}."
        )
