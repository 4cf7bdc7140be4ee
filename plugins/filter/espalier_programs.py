"""Filters that give roles the programs for machines, as files to write and as paths to remove."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

DOCUMENTATION = """
name: espalier_programs
short_description: Programs for machines, packed into zipapps
description: The files that a program consists of, and their paths.
author: Espalier
"""


def _programs() -> Any:
    try:
        from espalier.wiring import programs
    except ImportError as error:
        raise AnsibleFilterError(
            "Python does not find the kit's package `espalier`: activate .venv, and run again."
        ) from error
    return programs


def program_files(name: str) -> list[dict[str, Any]]:
    """The files of a program for the module `files`: the zipapp, and the command that runs it."""
    return _programs().program_files(name)


def program_paths(name: str) -> list[str]:
    """The paths of these files."""
    return _programs().program_paths(name)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Filters by name."""
        return {"program_files": program_files, "program_paths": program_paths}
