"""The rule for `build`: commands that make what the project serves, in the new release."""

from __future__ import annotations

from typing import Any

from espalier.project.rules.basics import InvalidValue, text_of
from espalier.project.words import kind_of


def build_commands(value: Any) -> tuple[str, ...]:
    """Commands for a shell, in their order; none turns off what would be detected."""
    if not isinstance(value, list | tuple):
        raise InvalidValue(
            f"must be a list of commands, and is a {kind_of(value)}: write for example "
            "[npm ci && npm run build], or [] for none."
        )
    return tuple(text_of(command) for command in value)
