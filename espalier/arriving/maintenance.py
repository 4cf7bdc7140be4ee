"""The site closed for maintenance while its data changes: by an import, a clone or a restore."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from espalier.inventory.remote import Remote, explain
from espalier.inventory.site import SiteError


@contextmanager
def closed(
    remote: Remote,
    machines: Iterable[str],
    note: Callable[[str], None],
    warn: Callable[[str], None],
) -> Iterator[None]:
    """Have the site closed for maintenance, and open again where it was open.

    Where what is done meanwhile fails, too: then it serves what it served before.

    Args:
        remote: how the machines are reached.
        machines: those with nginx.
        note: takes a sentence about each that somebody had closed before.
        warn: takes a sentence about each that could not be opened again.

    Raises:
        SiteError: one cannot be closed; those that were closed before it are open again.
    """
    opening = []
    try:
        for machine in machines:
            if _is_closed(remote, machine):
                note(f"{machine} was closed before, and stays closed: espalier maintenance off")
            else:
                # Before it is told: where its answer is lost, it may be closed.
                opening.append(machine)
                _tell(remote, machine, "on")
        yield
    finally:
        for machine in opening:
            status, _, errors = remote.run(machine, ["maintenance", "off", "/"])
            if status:
                warn(f"{machine} is still closed ({explain(errors)}): `espalier maintenance off`.")


def _is_closed(remote: Remote, machine: str) -> bool:
    """Whether all of the site is closed there; parts of it have lines of their own."""
    lines = _tell(remote, machine, "status").splitlines()
    return any(line.startswith("/ is closed") for line in lines)


def _tell(remote: Remote, machine: str, state: str) -> str:
    status, out, errors = remote.run(machine, ["maintenance", state, "/"])
    if status:
        raise SiteError(
            f"{machine} cannot be closed for maintenance: {explain(errors)}. The database is left "
            "as it is.",
            1,
            errors,
        )
    return out
