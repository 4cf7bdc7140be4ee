"""Rules for `files`: what is put into a release beside the code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espalier.project.rules.basics import InvalidValue, dictionary, text_of
from espalier.project.rules.code import path_inside
from espalier.project.words import kind_of, suggestion

_EXAMPLE = '{certs/ca.pem: {from: ca.pem}, licence.key: "{{ vault_licence_key }}"}'


def files(value: Any) -> dict[str, Mapping[str, str]]:
    """By path in the project: {"content": text}, or {"from": path of a file beside the inventory}.

    A text alone is the content.
    """
    return {_path(path): _file(path, one) for path, one in dictionary(value, _EXAMPLE).items()}


def _path(value: Any) -> str:
    path = path_inside(value)
    if not path or text_of(value).endswith("/"):
        raise InvalidValue(f'"{value}" is a directory: write the path of a file in the project.')
    return path


def _file(path: str, value: Any) -> Mapping[str, str]:
    if isinstance(value, str):
        return {"content": value}
    if not isinstance(value, Mapping):
        # The value may be a secret, and is not repeated.
        raise InvalidValue(
            f"{path} must be the file's text (in quotes, or after `|`) or {{from: PATH}}, and is a "
            f"{kind_of(value)}."
        )
    if set(value) == {"content"} and isinstance(value["content"], str):
        return {"content": value["content"]}
    if set(value) == {"from"}:
        try:
            return {"from": text_of(value["from"])}
        except InvalidValue as bad:
            raise InvalidValue(f"{path}: `from` {bad}") from None
    for key in value:
        if key not in ("content", "from"):
            hint = suggestion(key, ("content", "from"), "the keys are")
            raise InvalidValue(f"{path}: {key} is not a key here: {hint}")
    raise InvalidValue(
        f"{path} must have one of `content` (text) and `from` (the path of a file): write for "
        f"example {_EXAMPLE}."
    )
