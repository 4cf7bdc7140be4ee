"""What to say of the Python that a project gets on a machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from espalier.project.words import note


def chosen(
    machine: str, build: Mapping[str, Any], versions: Sequence[str], found: Mapping[str, Any]
) -> str:
    """The line to show.

    Args:
        machine: its name.
        build: build.json.
        versions: those that were wanted, best first.
        found: what the module `pythons` gives.
    """
    version = found["found"]
    how = f"uv brings it from {_place(found['reached'])}" if found["reached"] else "it is there"
    if version == versions[0]:
        return note("python", f"{version} on {machine}", how)
    why = f"{versions[0]}, which {build['pythons']['where'] or 'the project'} names, cannot be had"
    return note("python", f"{version} on {machine}", f"{why}: {_errors(found)}")


def refusal(machine: str, build: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The sentence for a machine where no Python of the project's can be had.

    Args:
        machine: its name.
        build: build.json.
        found: what the module `pythons` gives.
    """
    if build["python"]:
        wanted = f"project.python in project.yml is {build['python']}"
    else:
        wanted = f"the project requires Python {build['pythons']['requires']}"
    # What a requirements file's project says that it requires is not compared on installation.
    free = build["python"] or build["requirements"]["kind"] == "requirements"
    others = ", another version as `python:`" if free else ""
    return (
        f"{machine} has Python {' and '.join(found['here'])}, and {wanted}. uv would bring one, "
        f"and cannot: {_errors(found)}. Let the machine reach that place, name a mirror of it as "
        f"`python_mirror:`{others}, or use a machine with another Debian. Nothing was changed."
    )


def _errors(found: Mapping[str, Any]) -> str:
    by_place = {_place(url): error for url, error in found["errors"].items()}
    return "; ".join(f"{place} ({error})" for place, error in by_place.items()) or "it knows none"


def _place(url: str) -> str:
    parts = urlsplit(url)
    return parts.netloc or url
