"""Rules for the directories that the project writes to, besides uploads."""

from __future__ import annotations

import re
from typing import Any

from espalier.project.rules.basics import InvalidValue, list_of, text_of
from espalier.project.rules.code import path_inside
from espalier.project.words import word_set

_SYSTEM = word_set("bin boot dev etc lib lib64 proc root run sbin sys tmp usr")
# The run gives a writable directory to the project's user alone, so nobody else may need it.
_SHARED = re.compile(
    r"/(srv|home(/[^/]+)?|opt|mnt|media)"
    r"|/var(/(lib|log|cache|tmp|spool|mail|backups|www|opt|local))?"
    r"|/var/(lib|log|cache)/(postgresql|redis[^/]*|nginx|pgbouncer|apt|dpkg|systemd|journal)(/.*)?"
)


def _directory(value: Any) -> str:
    """A directory below the project's root, or an absolute one that is the project's own."""
    text = text_of(value)
    if not text.startswith(("/", "~")):
        return _inside(text)
    if not re.fullmatch(r"(/[A-Za-z0-9._@+-]+)+/?", text) or ".." in text.split("/"):
        raise InvalidValue(
            f'"{text}" is neither a directory of the project such as data nor an absolute path '
            "such as /var/lib/orchard."
        )
    path = text.rstrip("/")
    if path.split("/")[1] in _SYSTEM or _SHARED.fullmatch(path):
        raise InvalidValue(
            f'"{text}" belongs to the system: choose a directory of the project\'s own, such as '
            "/var/lib/orchard."
        )
    return path


def _inside(text: str) -> str:
    """A directory below the project's root, without a slash at its end."""
    path = path_inside(text)
    if not path:
        raise InvalidValue(
            f'"{text}" is the whole project, and a release is never changed: write the directory '
            "that the project writes to, such as data."
        )
    if not re.fullmatch(r"[A-Za-z0-9._@+-]+(/[A-Za-z0-9._@+-]+)*", path):
        raise InvalidValue(
            f'"{text}" has other characters than letters, digits and ._@+- in a directory\'s name.'
        )
    return path


def writable_directories(value: Any) -> tuple[str, ...]:
    """The directories, none of them inside of another one."""
    found = list_of(_directory, "[data]")(value)
    for path in found:
        for other in found:
            if path.startswith(f"{other}/"):
                raise InvalidValue(f"{path} is inside of {other}: leave {other} alone.")
    return found
