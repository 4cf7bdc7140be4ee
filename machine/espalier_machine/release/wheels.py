"""Wheels that were built on this machine, kept so that the next release compiles nothing.

uv keeps them in its cache, and builds anew where an index does not say how long a file of it is
good for, as many mirrors do not. A directory for `--find-links` is asked whatever the index says.
"""

from __future__ import annotations

import os
from contextlib import suppress

from espalier_machine.release.machine import Machine

# Below uv's cache (crates/uv-cache of its source); where that changes, uv's own cache is left.
BUILT = "uv/sdists-*/**/*.whl"


def keep(machine: Machine) -> None:
    """Keep what uv has built for this kind of machine; pure Python is built fast enough."""
    with machine.as_user():
        for wheel in machine.cache.glob(BUILT):
            if not wheel.name.endswith("-none-any.whl"):
                with suppress(FileExistsError):
                    os.link(wheel, machine.wheels / wheel.name)


def remove_unused(machine: Machine) -> list[str]:
    """Remove the wheels whose package no virtualenv has in that version; returns names.

    A wheel's name begins as the directory does that describes it once it is installed:
    `psycopg_c-3.3.2-cp313-cp313-linux_x86_64.whl`, `psycopg_c-3.3.2.dist-info`.
    """
    removed = []
    for wheel in machine.wheels.glob("*.whl"):
        package = "-".join(wheel.name.split("-")[:2])
        if not any(machine.venvs.glob(f"*/lib/*/site-packages/{package}.dist-info")):
            with machine.as_user():
                wheel.unlink(missing_ok=True)
            removed.append(f"{machine.wheels.name}/{wheel.name}")
    return removed
