"""The site closed for maintenance while its data changes: by an import, a clone or a restore."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from espalier.inventory.remote import Remote, explain
from espalier.inventory.site import SiteError

NOT_THERE = 127  # the shell's status for a command that is not there


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
        machines: those with nginx. One that no run has brought nginx yet serves nobody.
        note: takes a sentence about each that somebody had closed before.
        warn: takes a sentence about each that could not be opened again.

    Raises:
        SiteError: one cannot be closed; those that were closed before it are open again.
    """
    opening = []
    try:
        for machine in machines:
            if (was_closed := _is_closed(remote, machine)) is None:
                continue
            if was_closed:
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


def _is_closed(remote: Remote, machine: str) -> bool | None:
    """Whether all of the site is closed there (parts have lines of their own); None without one."""
    answer = remote.run(machine, ["maintenance", "status", "/"])
    if answer[0] == NOT_THERE:
        return None
    lines = _answer(machine, answer).splitlines()
    return any(line.startswith("/ is closed") for line in lines)


def _tell(remote: Remote, machine: str, state: str) -> str:
    return _answer(machine, remote.run(machine, ["maintenance", state, "/"]))


def _answer(machine: str, answer: tuple[int, str, str]) -> str:
    status, out, errors = answer
    if status:
        raise SiteError(
            f"{machine} cannot be closed for maintenance: {explain(errors)}. The database is left "
            "as it is.",
            1,
            errors,
        )
    return out
