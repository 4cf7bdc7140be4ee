"""The host keys of all machines: compared with those that are known, and kept."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from espalier.inventory.host_keys import Compared, compare
from espalier.inventory.known_hosts import FILE, for_people
from espalier.inventory.ssh_config import Variables, config_file, destinations
from espalier.inventory.unreachable import changed_key, revoked_key, unknown_key
from espalier.readiness.findings import Finding, failed, note, ok

CHECK = "host key"


def compare_all(variables: Variables) -> dict[str, Compared]:
    """Ask all machines at once for their keys.

    Args:
        variables: by machine, how Ansible reaches it.
    """
    names = destinations(variables)
    with config_file(variables) as config, ThreadPoolExecutor(max_workers=20) as pool:
        jobs = {
            machine: pool.submit(compare, config, names[machine], of)
            for machine, of in variables.items()
        }
        return {machine: job.result() for machine, job in jobs.items()}


def to_keep(compared: Mapping[str, Compared], inventory: Path) -> dict[str, Compared]:
    """The machines whose keys belong into the inventory's known_hosts, and are not there.

    Where it has no such file yet, those that the person knows belong there too: once the file is
    there, ssh looks into no other. None, where a machine does not show the key that is known of
    it, or the person has told ssh to look elsewhere.
    """
    file = inventory / FILE
    if any(one.changed or one.refused for one in compared.values()):
        return {}
    unknown = {name: one for name, one in compared.items() if one.is_unknown and one.is_checked}
    if not unknown:
        return {}
    if file.exists():
        return {name: one for name, one in unknown.items() if one.files[:1] == (str(file),)}
    # A machine that does not answer now would be locked out by the new file.
    everybody = all(one.shown for one in compared.values() if one.is_checked)
    return {name: one for name, one in compared.items() if one.is_checked} if everybody else {}


def keep(compared: Mapping[str, Compared], inventory: Path) -> None:
    """Add machines to the inventory's known_hosts."""
    file = inventory / FILE
    before = file.read_text() if file.exists() else ""
    if before and not before.endswith("\n"):
        before += "\n"
    added = "".join(f"{line}\n" for one in compared.values() for line in one.lines)
    unfinished = file.with_name(f".{FILE}.new")
    unfinished.write_text(before + added)
    unfinished.replace(file)


def finding(machine: str, one: Compared, kept: Collection[str] = ()) -> Finding | None:
    """What is to be said of a machine's key; None where it shows none."""
    if not one.shown:
        return None
    best = one.shown[0]
    if machine in kept:
        return ok(CHECK, f"{one.to_keep[0]}, kept now", machine)
    if not one.is_checked:
        text = f"{best}, not compared: StrictHostKeyChecking is no for this machine"
        return note(CHECK, text, machine)
    if one.refused:
        return failed(CHECK, revoked_key(machine, one.refused, _place(one)), machine)
    if one.changed:
        sentence = changed_key(machine, one.changed, one.name, _place(one))
        return failed(CHECK, sentence, machine)
    if one.matching:
        return ok(CHECK, f"{one.matching}, as in {_place(one)}", machine)
    return failed(CHECK, unknown_key(machine, best, _place(one)), machine)


def _place(one: Compared) -> str:
    return for_people(one.files[0]) if one.files else FILE
