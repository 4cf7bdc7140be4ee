"""Rules for the machine that builds for the site's."""

from __future__ import annotations

from collections.abc import Collection

from espalier.project.errors import ProjectError
from espalier.project.rules.basics import matching
from espalier.project.words import suggestion

LAB = "lab"  # a lab machine of the control machine; a machine of that name goes first
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
    if name and name not in (*machines, LAB):
        hint = suggestion(name, machines, "they are")
        raise ProjectError(
            f"{where}: project.build_on: {name} is no machine that runs Django in hosts.yml: {hint}"
        )


def builder(name: str, app_machines: Collection[str], released: Collection[str]) -> str:
    """The machine that builds for those that are released to; LAB for a lab machine; "" for none.

    Args:
        name: what is stated; "" for nothing.
        app_machines: all those that run Django.
        released: those of them that are released to; under --limit not all.
    """
    return "" if name in app_machines and name not in released else name
