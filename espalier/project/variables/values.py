"""What an expression of a settings file stands for, as far as that can be told without running it.

A Python constant, a tuple, list or dictionary of them is a value that is known.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping
from typing import Any


class Unknown:
    """A value that only the project's own code knows."""

    def __repr__(self) -> str:
        """For tests that fail."""
        return "UNKNOWN"


UNKNOWN = Unknown()


@dataclasses.dataclass(frozen=True)
class Missing:
    """None, because a variable is not in the environment."""

    name: str


class Given(str):
    """A text that the kit gives under this name, the same on every site."""

    name: str

    def __new__(cls, text: str, name: str) -> Given:
        """Take the text and the variable's name."""
        made = super().__new__(cls, text)
        made.name = name
        return made


@dataclasses.dataclass(frozen=True)
class External:
    """A name of a library or of Python itself, with dots: `os.environ`, `int`."""

    name: str


@dataclasses.dataclass(frozen=True)
class Bound:
    """A method of a value: its name, to be called."""

    value: Any
    name: str


@dataclasses.dataclass
class Reader:
    """An object of a library that reads variables.

    Attributes:
        library: `environ`, `environs` or `decouple`.
        schema: of django-environ: variable -> its cast, or its cast and its default.
        prefix: stands before each name.
    """

    library: str
    schema: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    prefix: str = ""


@dataclasses.dataclass(frozen=True, eq=False)
class Function:
    """A function of the project's."""

    node: ast.FunctionDef
    module: Module


@dataclasses.dataclass(frozen=True, eq=False)
class Fields:
    """A class of pydantic's settings: its statements, those of its bases first."""

    nodes: tuple[ast.ClassDef, ...]
    module: Module


@dataclasses.dataclass(eq=False)
class Module:
    """A module of the project's: its file, its name, and the names in it."""

    path: str
    dotted: str
    names: dict[str, Any] = dataclasses.field(default_factory=dict)


def is_known(value: Any) -> bool:
    """Whether a value is a constant, or a container of constants alone."""
    if isinstance(value, list | tuple | set):
        return all(is_known(one) for one in value)
    if isinstance(value, dict):
        return all(is_known(one) for one in value.values())
    return value is None or isinstance(value, str | bytes | int | float | Missing)


def plain(value: Any) -> Any:
    """The value as Python has it."""
    return None if isinstance(value, Missing) else value
