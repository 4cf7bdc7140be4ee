"""Which line of project.yml helps a project that may not write to where it writes."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

# What Python says of a path: not there, not allowed, on a file system that is only read.
_FAILED = re.compile(r"\[Errno (2|13|30)\] [^'\n]*: '(.+?)'")
_CODE = re.compile(r"/releases/[^/]+/code/(.+)")
_DATA = re.compile(r"/srv/[^/]+/data/")
_SQLITE = re.compile(r"unable to open database file|attempt to write a readonly database")


def write_hint(output: str, sqlite: Sequence[str] = ()) -> str:
    """What to write, as the end of a sentence; "" where the output tells of no such failure.

    Args:
        output: what the project printed.
        sqlite: the project's SQLite files, relative to the root of its tree.
    """
    for number, path in _FAILED.findall(output):
        inside = _CODE.search(path)
        if inside and "node_modules" in inside[1]:
            return " (write what installs it, such as `build: [npm ci]`, in project.yml)"
        if inside and number == "2" and Path(path).parent.is_dir():
            return f" ({inside[1]} is no file of the project: put it there with `files:`)"
        if inside:
            folder = os.path.dirname(inside[1])
            return f" (a release is read-only: {_line([folder], inside[1])})"
        if _DATA.match(path):
            return " (run `espalier site`, which lets this machine's processes write there)"
        if number != "2" and path.startswith("/"):
            where = os.path.dirname(path)
            return (
                f" (it cannot write to {where}: have the project write to a directory of its own, "
                "and name that under `writable:` in project.yml)"
            )
    if _SQLITE.search(output):
        if not sqlite:
            return " (name the directory of the SQLite file under `writable:` in project.yml)"
        folders = [os.path.dirname(file) for file in sqlite]
        return f" (a release is read-only: {_line(folders, sqlite[0])})"
    return ""


def _line(folders: Sequence[str], file: str) -> str:
    if named := ", ".join(dict.fromkeys(folder for folder in folders if folder)):
        return f"if the project writes {file}, write `writable: [{named}]` in project.yml"
    return (
        f"have the project write {file} into a directory of its own, such as data, and write "
        "`writable: [data]` in project.yml"
    )
