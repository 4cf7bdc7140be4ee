"""The shapes of values: text, list, dictionary, choice; and the error that all rules raise."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from espalier.project.words import kind_of, suggestion


class InvalidValue(ValueError):
    """What is wrong with one value; `schema.check` adds the file and the key in front."""


# A Python module with dots.
DOTTED = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"


def text_of(value: Any) -> str:
    """Text on one line, without spaces around it. A number must be in quotes to be text."""
    if isinstance(value, bool | int | float):
        raise InvalidValue(
            f"YAML reads {value} as a {kind_of(value)}: put it in quotes if it is meant so."
        )
    if not isinstance(value, str):
        raise InvalidValue(f"must be text, and is a {kind_of(value)}.")
    if not value.strip():
        raise InvalidValue("is empty: give it a value or remove the key.")
    if any(ord(character) < 32 for character in value):
        raise InvalidValue("has a line break or a control character: write it on one line.")
    return value.strip()


def list_of(item: Callable[[Any], str], example: str) -> Callable[[Any], tuple[str, ...]]:
    """A rule for a list, whose items have a rule; an item that stands twice is taken once."""

    def rule(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            raise InvalidValue(
                f"must be a list, and is a {kind_of(value)}: write for example {example}."
            )
        return tuple(dict.fromkeys(item(one) for one in value))

    return rule


def matching(pattern: str, otherwise: str) -> Callable[[Any], str]:
    """A rule for text that the pattern matches whole; `otherwise` ends the sentence if not."""

    def rule(value: Any) -> str:
        text = text_of(value)
        if not re.fullmatch(pattern, text):
            raise InvalidValue(f'"{text}" {otherwise}')
        return text

    return rule


def flag(value: Any) -> bool:
    """A switch of YAML's own: true or false, not in quotes."""
    if not isinstance(value, bool):
        raise InvalidValue(f"must be true or false, and is a {kind_of(value)}.")
    return value


def choice(words: Sequence[str]) -> Callable[[Any], str]:
    """A rule for one of a few words."""

    def rule(value: Any) -> str:
        if (text := text_of(value)) in words:
            return text
        raise InvalidValue(f'"{text}" is not known: {suggestion(text, words, "write one of")}')

    return rule


def dictionary(value: Any, example: str) -> Mapping[Any, Any]:
    """The value, which must be a dictionary; `example` is one that is right."""
    if not isinstance(value, Mapping):
        raise InvalidValue(
            f"must be a dictionary, and is a {kind_of(value)}: write for example {example}."
        )
    return value
