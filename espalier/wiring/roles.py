"""What a role's own files say: the default values of its inputs, and what each may be."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from espalier.paths import ROLES


def role_defaults(role: str) -> Mapping[str, Any]:
    """Return the default values of a role's inputs, from roles/<role>/defaults/main.yml."""
    return _read(ROLES / role / "defaults" / "main.yml")


def role_default(name: str, role: str) -> Any:
    """Return the default value of one input of a role.

    Raises:
        KeyError: the role has no such input, or none with a default.
    """
    return role_defaults(role)[name]


def argument_spec(role: str) -> Mapping[str, Any]:
    """Return what each input of a role may be, from roles/<role>/meta/argument_specs.yml."""
    specs = _read(ROLES / role / "meta" / "argument_specs.yml")
    options: Mapping[str, Any] = specs["argument_specs"]["main"]["options"]
    return options


@cache
def _read(file: Path) -> Mapping[str, Any]:
    # The C library's loader takes a tenth of the time.
    found: Mapping[str, Any] = yaml.load(
        file.read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    )
    return found
