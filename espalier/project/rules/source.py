"""Rules for where the code is: `directory`, `git`, `package`, `version`."""

from __future__ import annotations

import re
from typing import Any

from espalier.project.rules.basics import InvalidValue, text_of


def directory(value: Any) -> str:
    """A directory of this machine, without a slash at its end."""
    return text_of(value).rstrip("/") or "/"


def git(value: Any) -> str:
    """Whatever `git clone` takes, but no option of it."""
    text = text_of(value)
    if text.startswith("-"):
        raise InvalidValue(f'"{text}" is not a git URL: it starts with a dash.')
    return text


def package(value: Any) -> str:
    """A name on the Python index, perhaps with extras; its version is a key of its own."""
    text = text_of(value)
    name = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(\[[A-Za-z0-9._, -]+\])?"
    if re.fullmatch(name, text):
        return text.replace(" ", "")
    pinned = re.fullmatch(rf"({name})\s*==\s*(\S+)", text)
    if pinned:
        raise InvalidValue(
            f'"{text}" has a version: write `package: {pinned[1]}`, `version: "{pinned[4]}"`.'
        )
    raise InvalidValue(f'"{text}" is not the name of a package on the Python index.')


def version(value: Any) -> str:
    """A branch, a tag, a commit or the version of a package: which one, the source decides."""
    text = text_of(value)
    if text.startswith("-") or re.search(r"[\s~^:?*\[\\]", text):
        raise InvalidValue(
            f'"{text}" is neither a branch, a tag, a commit nor the version of a package: write '
            'for example main, v1.2 or "2.1.0".'
        )
    return text
