"""The rule for `build`: commands that make what the project serves, in the new release."""

from __future__ import annotations

import re
from typing import Any

from espalier.project.rules.basics import InvalidValue, text_of
from espalier.project.words import kind_of

# Of npm: `22`, `^20.19 || >=22.12`.
NODE_RANGE = r"[\d.xX*^~<>=| -]*\d[\d.xX*^~<>=| -]*"


def build_commands(value: Any) -> tuple[str, ...]:
    """Commands for a shell, in their order; none turns off what would be detected."""
    if not isinstance(value, list | tuple):
        raise InvalidValue(
            f"must be a list of commands, and is a {kind_of(value)}: write for example "
            "[npm ci && npm run build], or [] for none."
        )
    return tuple(text_of(command) for command in value)


def node_wanted(value: Any) -> bool | str:
    """Whether node and npm are there, or which node: a version, or a range as npm writes it."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(NODE_RANGE, text_of(value)):
        return text_of(value)
    raise InvalidValue('must be true, false, or a version such as "22" or ">=20".')
