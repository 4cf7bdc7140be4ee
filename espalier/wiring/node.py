"""Debian's node, where a project's build needs it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any


def build_packages(build: Mapping[str, Any]) -> list[str]:
    """Return the Debian packages that a release's build needs, by its build.json."""
    stated = build.get("build", {})
    packages = ["nodejs", "npm"] if stated.get("node") else []
    if any(re.search(r"\b(compile|make)messages\b", one) for one in stated.get("commands", [])):
        packages.append("gettext")
    return packages
