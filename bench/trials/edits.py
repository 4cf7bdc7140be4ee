"""Apply the edits that `espalier advise` prints: line by line, as a person does who types them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.steps import Wrong


class EditError(Wrong):
    """An edit does not fit the file; a sentence for people."""


def apply_edits(edits: Sequence[Mapping[str, Any]], directory: Path) -> list[str]:
    """Apply edits to an environment, and look that each says what its `values` say.

    Args:
        edits: of the JSON of `espalier advise`: file, removed, added, below, values.
        directory: the environment's.

    Returns:
        The files that were changed.

    Raises:
        EditError: a line is not there, a file is no YAML any more, or it has other values.
    """
    for edit in edits:
        file = directory / edit["file"]
        before = file.read_text() if file.exists() else "---\n"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(edited(before, edit))
    for edit in edits:
        said = yaml.safe_load((directory / edit["file"]).read_text())
        for path, value in edit.get("values", ()):
            found = value_at(said, path, is_hosts=edit["file"] == "hosts.yml")
            if found != value:
                raise EditError(f"{edit['file']}: {path} is {found!r}, and {value!r} was advised.")
    return list(dict.fromkeys(edit["file"] for edit in edits))


def edited(text: str, edit: Mapping[str, Any]) -> str:
    """A file's text after one edit; EditError where a line is not there."""
    lines = text.splitlines()
    removed, added = list(edit["removed"]), list(edit["added"])
    if removed:
        place = _find(lines, removed[0], edit["file"])
        for line in removed:
            del lines[_find(lines, line, edit["file"])]
    elif below := edit.get("below"):
        place = _find(lines, below, edit["file"]) + 1
    else:
        place = len(lines)
    return "\n".join([*lines[:place], *added, *lines[place:]]) + "\n"


def _find(lines: Sequence[str], wanted: str, file: str) -> int:
    for number, line in enumerate(lines):
        if _bare(line) == _bare(wanted):
            return number
    raise EditError(f"{file} has no line {wanted.strip()!r}.")


def _bare(line: str) -> str:
    """A line without a comment at its end."""
    return re.sub(r"\s+#.*$", "", line).rstrip()


def value_at(said: Any, path: str, *, is_hosts: bool) -> Any:
    """The value at a dotted path; in hosts.yml one without "all." is below `all.vars`."""
    words = path.split(".")
    if is_hosts and words[0] != "all":
        words = ["all", "vars", *words]
    for word in words:
        said = said.get(word) if isinstance(said, Mapping) else None
    return said
