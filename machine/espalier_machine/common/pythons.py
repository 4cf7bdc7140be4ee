"""Which Python a release runs on: the one order that the control machine and machines follow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def candidates(build: Mapping[str, Any], own: str) -> list[str]:
    """The Pythons that a release may run on, best first.

    Args:
        build: build.json. `python` is what the user states. `pythons` has what the project's files
            say: `wish`, one version or ""; `weak`, whether the wish counts only where the system's
            is newer (old pins lack wheels for that); `allowed`, those that its requires-python
            allows, None for all; `tolerated`, those that do when none of these can be had.
        own: the X.Y that the machine's system has.

    Returns:
        Versions as X.Y; none where the machine's own is not allowed and no other is known.
    """
    if build["python"]:
        return [build["python"]]
    nothing: dict[str, Any] = {"wish": "", "weak": False, "allowed": None, "tolerated": []}
    said = build.get("pythons") or nothing
    wish, allowed = said["wish"], said["allowed"]
    if said["weak"] and minor(wish) >= minor(own) and (allowed is None or own in allowed):
        wish = ""
    found = [wish] if wish else []
    if allowed is None or own in allowed:
        found.append(own)
    else:
        found += sorted(allowed, key=lambda version: abs(minor(version) - minor(own)))
    if own in said["tolerated"]:
        found.append(own)
    return list(dict.fromkeys(found))


def minor(version: str) -> int:
    """The Y of X.Y."""
    return int(version.split(".")[1])
