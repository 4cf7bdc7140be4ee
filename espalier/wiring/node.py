"""Debian's node, where a project's build needs it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from semantic_version import NpmSpec, Version

from espalier.wiring.debian import debian


def build_packages(build: Mapping[str, Any]) -> list[str]:
    """Return the Debian packages that a release's build needs, by its build.json."""
    stated = build.get("build", {})
    packages = ["nodejs", "npm"] if stated.get("node") else []
    if any(re.search(r"\b(compile|make)messages\b", one) for one in stated.get("commands", [])):
        packages.append("gettext")
    return packages


def node_is_too_different(build: Mapping[str, Any], release: str) -> bool:
    """Return whether a project asks for a node that a Debian, by its code name, does not have.

    What no range of versions is (`lts/*`) asks for none.
    """
    engines = re.sub(r"([<>=^~])\s+", r"\1", build.get("build", {}).get("engines", ""))
    try:
        return bool(engines) and Version(debian(release)["node"]) not in NpmSpec(engines)
    except ValueError:
        return False
