"""Where uv would get a Python from: the very files, so that a machine can be asked for them."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from espalier.project.rules.interpreter import SUPPORTED
from espalier.project.source.process import Runner, run

# As `uname -m` and uv call them.
ARCHITECTURES = ("x86_64", "aarch64")
RELEASES = "/releases/download/"
GITHUB = f"https://github.com/astral-sh/python-build-standalone{RELEASES}"


def downloads(build: Mapping[str, Any], run: Runner = run) -> dict[str, dict[str, list[str]]]:
    """The URLs of Pythons by architecture and version, {} where the project names none.

    The control machine's uv is of the version that machines have, and knows the same files.

    Args:
        build: build.json.
        run: starts uv.
    """
    if not build["python"] and "pythons" not in build:
        return {}
    asked = ["--only-downloads", "--all-platforms", "--all-arches", "--output-format", "json"]
    argv = [sys.executable, "-P", "-m", "uv", "python", "list", *asked]
    result = run(argv, timeout=60)
    known = json.loads(result.stdout) if result.returncode == 0 else []
    found: dict[str, dict[str, list[str]]] = {name: {} for name in ARCHITECTURES}
    for one in known:
        version = "{major}.{minor}".format_map(one["version_parts"])
        usual = (one["implementation"], one["os"], one["libc"], one["variant"])
        if (
            usual == ("cpython", "linux", "gnu", "default")
            and one["arch"] in found
            and version in SUPPORTED
        ):
            # The newest patch release comes first.
            urls = _urls(one["url"], build.get("python_mirror", ""))
            found[one["arch"]].setdefault(version, urls)
    return found


def _urls(url: str, mirror: str) -> list[str]:
    """Where uv looks for a file: in a mirror alone, or at its usual places, one after the other."""
    file = url.rpartition(RELEASES)[2]
    return [f"{mirror}/{file}"] if mirror else list(dict.fromkeys([url, f"{GITHUB}{file}"]))
