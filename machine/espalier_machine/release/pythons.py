"""The Python of a release: the system's, another one that is here, or one that uv brings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from espalier_machine.common.pythons import candidates
from espalier_machine.common.text import last_line
from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.machine import Machine
from espalier_machine.release.virtualenv import uv_environment

# Once, and not for long: preflight has asked whether it can be reached.
IMPATIENT = {"UV_HTTP_RETRIES": "0", "UV_HTTP_CONNECT_TIMEOUT": "10"}


@dataclasses.dataclass(frozen=True)
class Python:
    """One interpreter: its X.Y, where it is, and the X.Y of the system that it was chosen on."""

    version: str
    path: str
    own: str

    def record(self) -> dict[str, str]:
        """For release.json; the system's version only where it is another one."""
        return {"python": self.version} | (
            {"own_python": self.own} if self.own != self.version else {}
        )


def own_python(machine: Machine) -> str:
    """The X.Y of the machine's own Python."""
    script = "import sys; print('%d.%d' % sys.version_info[:2])"
    argv = [machine.config.python, "-c", script]
    return machine.run(argv, "install", last_line, machine.environment(), machine.root).strip()


def built_on(record: Mapping[str, Any]) -> str:
    """The X.Y of the system's Python when a release was built: with another one, it is anew."""
    return str(record.get("own_python", record["python"]))


def choose_python(machine: Machine, build: Mapping[str, Any]) -> Python:
    """The best Python for the archive that can be had here; raises ReleaseError where none can."""
    own, why = own_python(machine), ""
    wanted = candidates(build, own)
    for version in wanted:
        path = machine.config.python if version == own else _find(machine, version)
        if not path:
            try:
                path = _bring(machine, build, version)
            except ReleaseError as error:
                why = error.sentence
        if path:
            if version != wanted[0]:
                machine.progress.tell(
                    f"Python {wanted[0]} is not here: {version} is taken, as uv says: {why}"
                )
            return Python(version, path, own)
    said = build.get("pythons", {}).get("requires") or "`python:` in project.yml"
    raise ReleaseError(
        "install",
        f"this machine has Python {own}, the project needs {' or '.join(wanted)} ({said}), and uv "
        f"cannot bring it ({why}): let the machine reach that place, or name a mirror of it as "
        "`python_mirror:` in project.yml.",
    )


def _find(machine: Machine, version: str) -> str:
    """The path of an interpreter that is here, or ""."""
    with suppress(ReleaseError):
        return _uv(machine, {}, "find", "--no-project", version)
    return ""


def _bring(machine: Machine, build: Mapping[str, Any], version: str) -> str:
    """Have uv download an interpreter; its path. Raises ReleaseError where it cannot be reached."""
    mirror = build.get("python_mirror", "")
    more = IMPATIENT | ({"UV_PYTHON_INSTALL_MIRROR": mirror} if mirror else {})
    _uv(machine, more, "install", "--no-bin", version)
    machine.progress.note(f"uv has brought Python {version}")
    return _find(machine, version)


def _uv(machine: Machine, more: dict[str, str], *argv: str) -> str:
    """What `uv python …` prints; raises ReleaseError with the last cause that it gives."""
    argv = (machine.config.uv, "python", *argv)
    environment = uv_environment(machine) | more
    return machine.run(argv, "install", last_line, environment, machine.root).strip()
