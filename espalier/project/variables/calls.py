"""Calls in a settings file: of what reads the environment, of the project's own, of others."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from espalier.project.variables.expressions import ENVIRON, Expressions
from espalier.project.variables.fields import read_fields
from espalier.project.variables.libraries import (
    FILES,
    KINDS,
    READER_CLASSES,
    URL_PARSERS,
    read_by,
)
from espalier.project.variables.values import (
    UNKNOWN,
    Bound,
    External,
    Fields,
    Function,
    Missing,
    Reader,
    Unknown,
    is_known,
    plain,
)

# Functions that cannot take None: a variable that is missing ends there.
NEEDING = ("int", "float", "json.loads", "ast.literal_eval", "Path", "pathlib.Path", "Decimal")
TEXT_METHODS = {"lower", "upper", "strip", "split", "startswith", "endswith", "replace", "title"}


class Calls(Expressions):
    """Expressions, and calls among them."""

    def of_Call(self, node: ast.Call) -> Any:
        """A call: of what reads the environment, of the project's own function, or of anything."""
        function = self.value(node.func)
        line = self.where
        if isinstance(function, External) and function.name in (f"{ENVIRON}.get", "os.getenv"):
            return self._get(node)
        kind = ""
        if isinstance(function, External):
            kind = kind_of(function.name)
        with self.expecting(kind):
            values = [self.value(one) for one in node.args]
        keywords: dict[str, Any] = {}
        for one in node.keywords:
            value = self.value(one.value)
            if one.arg is None and isinstance(value, dict):
                keywords |= {name: one for name, one in value.items() if isinstance(name, str)}
            else:
                keywords[one.arg or ""] = value
        self.where = line
        if isinstance(function, Reader):
            return self._read(function, "", node, values, keywords)
        if isinstance(function, Bound):
            if isinstance(function.value, Reader):
                return self._read(function.value, function.name, node, values, keywords)
            return self._text_method(function, values)
        if isinstance(function, Function):
            return self.call_function(function, values, keywords)
        if isinstance(function, Fields):
            return read_fields(self, function, keywords)
        if isinstance(function, External):
            return self._external(function.name, node, values, keywords)
        return UNKNOWN

    def _get(self, node: ast.Call) -> Any:
        """`os.environ.get(name, default)`."""
        arguments = [*node.args, *(one.value for one in node.keywords)]
        line = self.where
        name = self.value(arguments[0]) if arguments else UNKNOWN
        default = self.value(arguments[1]) if len(arguments) > 1 else None
        self.where = line
        if not isinstance(name, str):
            return UNKNOWN
        found = self.note(name, "text", True, default)
        if isinstance(found, Missing) and len(arguments) > 1 and default is not None:
            return default
        return found

    def _read(
        self,
        reader: Reader,
        method: str,
        node: ast.Call,
        values: list[Any],
        keywords: dict[str, Any],
    ) -> Any:
        """A call of an object of django-environ, environs or decouple."""
        if method in FILES:
            self._file(node, values)
            return UNKNOWN
        named = {one.arg: one.value for one in node.keywords if one.arg}
        call = read_by(reader, method, node.args, named, values, keywords)
        if call is None:
            return UNKNOWN
        default = self.value(call.default) if call.default is not None else UNKNOWN
        if call.default is None and call.has_default:
            scheme = reader.schema.get(call.name)
            default = scheme[1] if isinstance(scheme, tuple) and len(scheme) > 1 else UNKNOWN
        found = self.note(call.name, call.kind, call.has_default, default)
        if isinstance(found, Missing):
            return (found if default is None else default) if call.has_default else UNKNOWN
        return cast_text(found, call.kind)

    def _file(self, node: ast.Call, values: list[Any]) -> None:
        """A file of variables that the settings read, by the texts that name it."""
        words = [
            one.value.removeprefix("/") if one.value.count("/") == 1 else one.value
            for argument in (*node.args, *(k.value for k in node.keywords))
            for one in ast.walk(argument)
            if isinstance(one, ast.Constant) and isinstance(one.value, str)
        ]  # "/.env" stands behind a directory: f"{BASE_DIR}/.env"
        self.files += words or [".env"]
        self.files += [value for value in values if isinstance(value, str)]

    def _text_method(self, function: Bound, values: list[Any]) -> Any:
        """A method of a text that is known."""
        if function.name not in TEXT_METHODS or not all(map(is_known, values)):
            return UNKNOWN
        try:
            return getattr(function.value, function.name)(*map(plain, values))
        except (TypeError, ValueError):
            return UNKNOWN

    def _external(
        self, name: str, node: ast.Call, values: list[Any], keywords: dict[str, Any]
    ) -> Any:
        """A call of Python's own, or of a library."""
        last = name.rpartition(".")[2]
        if name in READER_CLASSES:
            if "" in keywords:  # defaults that are not known
                return UNKNOWN
            return Reader(READER_CLASSES[name], keywords)
        if last in ("load_dotenv", "read_dotenv", "RepositoryEnv", "RepositoryIni", *FILES):
            self._file(node, values)
            return UNKNOWN
        if name == "dj_database_url.config":
            variable = values[0] if values else keywords.get("env", "DATABASE_URL")
            self._variable(variable, True, "URL")
            return UNKNOWN
        if name in (f"{ENVIRON}.setdefault", f"{ENVIRON}.pop"):
            if values and isinstance(values[0], str) and name.endswith("pop"):
                return self.note(values[0], "text", len(values) > 1)
            self.set_item(External(ENVIRON), values[0] if values else UNKNOWN, UNKNOWN)
            return UNKNOWN
        if name in ("decouple.Csv", "Csv"):
            return External("decouple.Csv")
        if name == "bool" and len(values) == 1 and is_known(values[0]):
            return bool(plain(values[0]))
        if name in NEEDING or name in URL_PARSERS or last == "strtobool":
            for one in values[:1]:
                self.needs(one, kind_of(name))
        if name == "split_settings.tools.optional" and values:
            return values[0]
        if name == "split_settings.tools.include":
            self.include(values)
        return UNKNOWN

    def include(self, names: Iterable[Any]) -> None:
        """Follow files that split-settings includes; `Imports` does."""
        raise NotImplementedError

    def call_function(self, function: Function, values: list[Any], keywords: dict[str, Any]) -> Any:
        """Follow a function of the project's; `Interpreter` does."""
        raise NotImplementedError


def kind_of(function: str) -> str:
    """The kind of what a function takes; "" where it takes any text, as `bool` does."""
    if function in URL_PARSERS:
        return "URL"
    return "" if function == "bool" else KINDS.get(function.rpartition(".")[2], "")


def cast_text(value: Any, kind: str) -> Any:
    """What a library makes of a variable's text; known for true and false, and for text."""
    if isinstance(value, Unknown) or kind == "text":
        return value
    if kind == "true/false" and isinstance(value, str):
        return value.strip().lower() in ("true", "on", "ok", "y", "yes", "1", "t")
    return UNKNOWN
