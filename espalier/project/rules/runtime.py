"""Rules for what runs, and with what: `environment`, `server`, `processes`, `schedule`, `hooks`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from espalier.project.rules.basics import InvalidValue, dictionary, text_of
from espalier.project.words import kind_of, suggestion

# Environment variables that the kit writes itself, with the key to use instead.
OWNED_VARIABLES = {
    "DJANGO_SETTINGS_MODULE": "write `settings:` instead",
    "PYTHONPATH": "it holds the release's directories; write `path:` to say where manage.py is",
}
HOOKS = ("before_migrate", "after_migrate", "after_switch", "after_rollback")


def named(
    example: str, reserved: Sequence[str], entry: Callable[[Any], Mapping[str, Any]]
) -> Callable[[Any], Mapping[str, Any]]:
    """A rule for a dictionary from the name of a unit to what it runs."""

    def rule(value: Any) -> Mapping[str, Any]:
        found = {}
        for name, one in dictionary(value, example).items():
            if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name):
                raise InvalidValue(
                    f'"{name}" is not a name such as mailer: small letters, digits and _, at most '
                    "31, a letter first."
                )
            if name in reserved:
                raise InvalidValue(
                    f"{name} is there already, as what answers visitors: name it otherwise."
                )
            try:
                found[name] = entry(one)
            except InvalidValue as bad:
                raise InvalidValue(f"{name}: {bad}") from None
        return found

    return rule


def entry_of(value: Any, keys: Sequence[str], example: str) -> dict[str, Any]:
    """A dictionary with none but the given keys, and a `command`."""
    for key in dictionary(value, example):
        if key not in keys:
            raise InvalidValue(f"{key} is not a key here: {suggestion(key, keys, 'the keys are')}")
    if value.get("command") is None:
        raise InvalidValue(f"lacks `command`: write for example {example}.")
    return {**value, "command": text_of(value["command"])}


def process(value: Any) -> Mapping[str, Any]:
    """A command that always runs, or its text alone: {"command": …, "count": …, "single": …}."""
    example = "{command: celery -A shop worker, count: 2}"
    given = entry_of(
        {"command": value} if isinstance(value, str) else value,
        ("command", "count", "single"),
        example,
    )
    count, single = given.get("count", 1), given.get("single", False)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 100:
        raise InvalidValue(f"`count` must be a whole number from 1 to 100, not {count!r}.")
    if not isinstance(single, bool):
        raise InvalidValue(f"`single` must be true or false, and is a {kind_of(single)}.")
    if single and count > 1:
        raise InvalidValue(
            "is to be `single`, and `count` is more than one: leave one of them out."
        )
    return {"command": given["command"], "count": count, "single": single}


def scheduled_command(value: Any) -> Mapping[str, str]:
    """A command that a timer starts: {"command": …, "when": …}."""
    example = "{command: python manage.py clearsessions, when: daily}"
    given = entry_of(value, ("command", "when"), example)
    if given.get("when") is None:
        raise InvalidValue(f"lacks `when`: write for example {example}.")
    return {"command": given["command"], "when": text_of(given["when"])}


def hooks(value: Any) -> Mapping[str, tuple[str, ...]]:
    """Commands by the moment of a release at which they run, each a list."""
    example = "{after_switch: [python manage.py warm_up]}"
    found = {}
    for key, commands in dictionary(value, example).items():
        if key not in HOOKS:
            hint = suggestion(key, HOOKS, "the moments are")
            raise InvalidValue(f"{key} is no moment of a release: {hint}")
        if not isinstance(commands, list | tuple):
            raise InvalidValue(f"{key} must be a list of commands: write for example {example}.")
        found[key] = tuple(text_of(command) for command in commands)
    return found


def environment(value: Any) -> dict[str, str]:
    """Environment variables, as text: they end up in a file that systemd reads."""
    if not isinstance(value, Mapping):
        raise InvalidValue(
            f"must be a dictionary, and is a {kind_of(value)}: write for example {{KEY: value}}."
        )
    return {_variable(key): _variable_value(key, one) for key, one in value.items()}


def _variable(key: Any) -> str:
    if not isinstance(key, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
        raise InvalidValue(
            f'"{key}" is not the name of an environment variable: use letters, digits and _, not '
            "a digit first."
        )
    if key in OWNED_VARIABLES:
        raise InvalidValue(f"{key} is set by the kit: {OWNED_VARIABLES[key]}.")
    if key.startswith("ESPALIER_"):
        raise InvalidValue(
            f"{key}: names that start with ESPALIER_ belong to the kit: use another name."
        )
    return key


def _variable_value(key: str, value: Any) -> str:
    if isinstance(value, float):
        raise InvalidValue(
            f'{key}: YAML reads {value} as a number: put it in quotes, {key}: "{value}".'
        )
    if not isinstance(value, str | int):
        hint = f': write {key}: ""' if value is None else ""
        raise InvalidValue(
            f"{key} must be text, a whole number, true or false; it is a {kind_of(value)}{hint}."
        )
    # A boolean becomes Python's word: `os.environ["X"] == "True"` is the idiom in settings files.
    text = str(value)
    if re.search(r"[\0\r\n]", text):
        raise InvalidValue(
            f"{key} has a line break, which an environment file cannot hold: encode the value "
            "(base64, or \\n as two characters) and decode it in the settings."
        )
    return text
