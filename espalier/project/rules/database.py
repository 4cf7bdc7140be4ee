"""The rule for `database`: extensions, PostgreSQL's version, more databases, readers."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

from espalier.project.extensions import EXTENSIONS, unknown
from espalier.project.rules.basics import InvalidValue, dictionary, list_of, text_of
from espalier.project.rules.site import project_name
from espalier.project.words import suggestion

EXAMPLE = "{extensions: [postgis]}"
KEYS = ("extensions", "version", "databases", "readers")
# What means more than a name in pg_hba.conf (section 20.1 of PostgreSQL's manual).
HBA_WORDS = ("all", "sameuser", "samerole", "samegroup", "replication")


def extension(value: Any) -> str:
    """The name of an extension, for which the kit knows the package."""
    name = text_of(value)
    if name not in EXTENSIONS:
        raise InvalidValue(unknown(name))
    return name


def version(value: Any) -> str:
    """The major version of PostgreSQL, as text; preflight compares it with the machine's."""
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else text_of(value)
    if not re.fullmatch(r"[1-9][0-9]", text):
        raise InvalidValue(f'"{text}" is not a major version of PostgreSQL such as "17".')
    return text


def _name(value: Any) -> str:
    """The name of a database or a user in it."""
    name = project_name(value)
    if name in HBA_WORDS:
        raise InvalidValue(f'"{name}" means others, too, to PostgreSQL: choose another name.')
    return name


def extra_database(value: Any) -> str:
    """The name of another database of the site."""
    name = _name(value)
    if name.endswith("_import"):
        raise InvalidValue(f'"{name}" may be the one that `espalier import` makes: choose another.')
    return name


def readers(value: Any) -> Mapping[str, tuple[str, ...]]:
    """Users who may only read: name -> the addresses and ranges that they may come from."""
    example = "{metabase: {from: [10.0.0.7]}}"
    found = {}
    for name, one in dictionary(value, example).items():
        given = dictionary(one, example)
        if set(given) != {"from"} or not isinstance(given["from"], list):
            raise InvalidValue(f"{name}: write where it connects from, for example {example}.")
        try:
            addresses = [str(ipaddress.ip_network(text_of(text))) for text in given["from"]]
        except ValueError as bad:
            raise InvalidValue(f"{name}: from: {bad}") from None
        if not addresses or any(text.endswith("/0") for text in addresses):
            raise InvalidValue(f"{name}: from: write the addresses of the machines that read.")
        found[_name(name)] = tuple(addresses)
    return found


_RULES: Mapping[str, Callable[[Any], Any]] = {
    "extensions": list_of(extension, "[postgis, pg_trgm]"),
    "version": version,
    "databases": list_of(extra_database, "[analytics]"),
    "readers": readers,
}


def database(value: Any) -> Mapping[str, Any]:
    """What of PostgreSQL the project needs: only the keys that are stated.

    {"extensions": names, "version": text, "databases": names, "readers": name -> addresses}
    """
    found = {}
    for key, one in dictionary(value, EXAMPLE).items():
        if key not in KEYS:
            raise InvalidValue(f"{key} is not a key here: {suggestion(key, KEYS, 'they are')}")
        try:
            found[key] = _RULES[key](one)
        except InvalidValue as bad:
            raise InvalidValue(f"{key}: {bad}") from None
    return found
