"""What libraries read from the environment: django-environ, environs, decouple, dj-database-url."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from espalier.project.variables.values import External, Reader

# A method's or a cast's name -> the kind of the value.
KINDS = {
    "bool": "true/false",
    "strtobool": "true/false",
    "boolean": "true/false",
    "int": "whole number",
    "float": "number",
    "decimal": "number",
    "timedelta": "number",
    "list": "list",
    "tuple": "list",
    "Csv": "list",
    "json": "JSON",
    "loads": "JSON",
    "dict": "JSON",
    **dict.fromkeys(
        ("url", "db", "db_url", "cache", "cache_url", "email", "email_url", "search_url"), "URL"
    ),
    **dict.fromkeys(("search", "dj_db_url", "dj_email_url", "dj_cache_url"), "URL"),
    **dict.fromkeys(("channels", "channels_url", "AnyUrl", "HttpUrl", "PostgresDsn"), "URL"),
}
# Methods of django-environ's Env that have a variable of their own when none is named.
OWN_NAMES = {
    **dict.fromkeys(("db", "db_url"), "DATABASE_URL"),
    **dict.fromkeys(("cache", "cache_url"), "CACHE_URL"),
    **dict.fromkeys(("email", "email_url"), "EMAIL_URL"),
    **dict.fromkeys(("search", "search_url"), "SEARCH_URL"),
    **dict.fromkeys(("channels", "channels_url"), "CHANNELS_URL"),
}
# What makes a dictionary of a URL, and cannot take None.
URL_PARSERS = ("dj_database_url.parse", "dj_email_url.parse", "django_cache_url.parse")
# Methods of a reader that read a file, or are about something else.
FILES = ("read_env", "read_envfile")
OTHER_METHODS = ("seal", "dump", "get_value_or_none", "prefixed", "parse_value", "parser_for")
READER_CLASSES = {
    "environ.Env": "environ",
    "environ.FileAwareEnv": "environ",
    "environs.Env": "environs",
    "environs.FileAwareEnv": "environs",
    "decouple.AutoConfig": "decouple",
    "decouple.Config": "decouple",
    "prettyconf.config": "decouple",
}
# Objects of libraries that are there without being made.
READERS = {
    "decouple.config": "decouple",
    "environs.env": "environs",
    "prettyconf.config": "decouple",
}


@dataclasses.dataclass(frozen=True)
class Call:
    """What a call of a reader reads: the variable, its kind, its default as an expression."""

    name: str
    kind: str
    has_default: bool
    default: ast.expr | None = None  # None with `has_default`: one that is not written here


def kind_of_cast(cast: Any) -> str:
    """The kind of what a cast gives: `int`, `Csv()`, `(bool, False)`, …"""
    if isinstance(cast, list | tuple) and cast:
        cast = cast[0] if isinstance(cast, tuple) else External("list")
    name = cast.name if isinstance(cast, External) else ""
    return "URL" if name in URL_PARSERS else KINDS.get(name.rpartition(".")[2], "text")


def read_by(
    reader: Reader,
    method: str,
    positional: Sequence[ast.expr],
    keywords: Mapping[str, ast.expr],
    values: Sequence[Any],
    casts: Mapping[str, Any],
) -> Call | None:
    """What a call of a reader reads; None where its name is not known, or it reads nothing.

    Args:
        reader: the object that is called.
        method: of it; "" where the object itself is called.
        positional: the arguments.
        keywords: those with a name.
        values: the values of `positional`.
        casts: the values of `keywords`.
    """
    if method in (*FILES, *OTHER_METHODS):
        return None
    named = values[0] if values else casts.get("var", casts.get("name", casts.get("option")))
    if named is None and reader.library == "environ":
        named = OWN_NAMES.get(method)
    if not isinstance(named, str):
        return None
    name = reader.prefix + named
    # Where django-environ takes a cast, that is the second argument.
    casting = method in ("", "get_value", "list", "tuple", "dict")
    second = 2 if reader.library == "environ" and casting else 1
    default = keywords.get("default")
    if default is None and len(positional) > second:
        default = positional[second]
    kind = KINDS.get(method, "text")
    cast = casts.get("cast", casts.get("subcast") if method not in KINDS else None)
    place = {"environ": 1, "decouple": 2}.get(reader.library, len(values))
    if cast is None and method in ("", "get_value") and len(values) > place:
        cast = values[place]
    scheme = reader.schema.get(named, reader.schema.get(name))
    if cast is not None:
        kind = kind_of_cast(cast)
    elif scheme is not None and not method:
        kind = kind_of_cast(scheme)
    in_schema = isinstance(scheme, tuple) and len(scheme) > 1
    return Call(name, kind, default is not None or in_schema, default)
