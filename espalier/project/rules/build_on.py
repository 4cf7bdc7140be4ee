"""Rules for the machine that builds for the site's others."""

from __future__ import annotations

from collections.abc import Collection

from espalier.project.errors import ProjectError
from espalier.project.rules.basics import matching
from espalier.project.words import suggestion

machine_name = matching(r"[A-Za-z0-9][\w.-]*", "is not the name of a machine in hosts.yml.")


def refuse_other_machine(name: str, machines: Collection[str], where: str) -> None:
    """Refuse to build on what is no machine of app duty.

    Args:
        name: what is stated; "" for nothing.
        machines: those that run Django.
        where: the file to name.

    Raises:
        ProjectError: it is none of them.
    """
    if name and name not in machines:
        hint = suggestion(name, machines, "they are")
        raise ProjectError(
            f"{where}: project.build_on: {name} is no machine that runs Django in hosts.yml: {hint}"
        )
