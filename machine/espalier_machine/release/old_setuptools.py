"""Packages that can only be built with an older setuptools than today's.

What a package's author did not pin, uv takes at its newest; and setuptools has dropped what many
old packages import: `pkg_resources`, `convert_path`, `use_2to3`.
"""

from __future__ import annotations

import re

from espalier_machine.release.machine import Machine

# What a build prints that asks setuptools for what it has no more.
ASKED = re.compile(
    r"No module named 'pkg_resources'|cannot import name '\w+' from 'setuptools"
    r"|module 'setuptools[\w.]*' has no attribute|use_2to3 is invalid"
)
# The last line of versions with all of these but use_2to3, and with Python 3.12 and later.
CONSTRAINT = "setuptools<70\n"


def constrained(machine: Machine, output: str) -> dict[str, str]:
    """The environment that has uv build with the older one, if the output asks for it; else {}."""
    if not ASKED.search(output):
        return {}
    file = machine.cache / "build-constraints.txt"
    with machine.as_user():
        file.write_text(CONSTRAINT)
    machine.progress.note("built with an older setuptools, as a requirement asks for it")
    return {"UV_BUILD_CONSTRAINT": str(file)}
