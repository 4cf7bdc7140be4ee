"""What Ansible found on the machines, in findings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from espalier.progress.report import UNCOPIED
from espalier.progress.results import Result, Results
from espalier.readiness import machine_state as look
from espalier.readiness.findings import Finding, failed, note, ok
from espalier.readiness.playbook import PROJECT, REACH, SHARES, STATE, WISHES

# What the refusals of playbooks/tasks/ are about, by the task's name; others, about the inventory.
SUBJECTS = {
    "Refuse a machine that cannot be reached": "ssh",
    "Refuse a machine where sudo or Python does not work": "sudo",
    "Refuse a distribution that the kit does not know": "debian",
    "Refuse databases on different releases of Debian": "debian",
    "Refuse a Python that the machine cannot have": "python",
    "Refuse a machine whose clock is wrong": "clock",
    "Refuse a firewall that would lock this run out": "ssh",
    "Refuse a disk that is too small for a replica": "disk",
    "Refuse an object store without its keys": "backup",
    "Refuse a destination that the machine's pgBackRest cannot write to": "backup",
    "Refuse an address where the machine's pgBackRest knows certificates by name alone": "backup",
    "Refuse a machine for copies that runs another release of Debian": "debian",
    "Refuse a destination that does not keep what is given to it": "backup",
    "Refuse a destination that is too small for a first backup": "backup",
    "Refuse a passphrase that does not open the backups that are there": "backup",
    "Refuse to begin with an empty database where backups wait": "backup",
    PROJECT: "project",
}


def judge(results: Results, topology: Mapping[str, Any]) -> list[Finding]:
    """Say what was found: the project first, then machine by machine.

    Args:
        results: of playbooks/check.yml.
        topology: the computed map.
    """
    found = [
        failed(SUBJECTS.get(one.task, "inventory"), one.sentence)
        for one in results.refusals
        if _is_of_the_site(one)
    ]
    if build := results.value(PROJECT, "project_build"):
        found += _project(build)
    if not topology["services"]["pgbackrest"]:
        found.append(note("backup", UNCOPIED))
    for machine, placed in topology["machines"].items():
        found += _machine(results, machine, placed)
    if not any(one.is_failed for one in found):
        found += [
            failed(SUBJECTS.get(one.task, "inventory"), f"{one.task}: {one.sentence}", one.machine)
            for one in results.errors
        ]
    return found


def _is_of_the_site(one: Result) -> bool:
    """Whether a result says nothing about the machine that the task happened to run on."""
    return one.task == PROJECT or one.task in (
        "Refuse an inventory that is not of this kit",
        "Refuse tiers that this version cannot switch on",
    )


def _project(build: Mapping[str, Any]) -> Iterator[Finding]:
    """What was detected: a line for the values, and one for each remark."""
    values, remarks = [], []
    for line in build["notes"]:
        label, text = line[:13].strip(), line[13:]
        if label in ("note", "warning"):
            remarks.append(text)
        elif label != "manage.py":
            # Where it was found is too much for one line; a run shows it.
            values.append(text if label == "source" else f"{label} {text.partition(' (')[0]}")
    yield ok("project", f"{build['name']}: {', '.join(values)}")
    for text in remarks:
        yield note("project", text)


def _machine(results: Results, machine: str, placed: Mapping[str, Any]) -> Iterator[Finding]:
    """What was found on one machine."""
    refused: dict[str, list[str]] = {}
    for one in results.refusals:
        if one.machine == machine and not _is_of_the_site(one):
            refused.setdefault(SUBJECTS.get(one.task, "inventory"), []).append(one.sentence)

    def told(subject: str, finding: Finding | None) -> Iterator[Finding]:
        """The refusals of a subject, or what is said where there is none."""
        sentences = refused.pop(subject, [])
        for sentence in sentences:
            yield failed(subject, sentence, machine)
        if finding and not sentences:
            yield finding

    reached = results.of(REACH, machine)
    is_reached = reached is not None and not reached.values.get("unreachable")
    facts = results.value(REACH, "ansible_facts", machine) or {}
    state = results.value(STATE, "state", machine) or {}
    shares = results.value(SHARES, "msg", machine) or {}
    yield from told("ssh", look.ssh(facts, machine) if is_reached else None)
    python = f", Python {state['python']}" if state else ""
    yield from told("sudo", ok("sudo", f"works as root{python}", machine) if facts else None)
    if facts:
        yield from told("debian", look.debian(facts, state, machine))
        assert reached
        yield from told("clock", look.clock(facts, state, reached.end, machine))
    if state:
        yield from told("disk", look.disk(state, bool(shares.get("recorded")), machine))
        yield from look.apt(state, machine)
        yield look.locale(state, machine)
    if state and shares:
        processes = (results.value(WISHES, "msg") or {}).get("processes", {})
        yield look.memory(state, shares, placed["services"], processes, machine)
        yield from look.firewall(state, shares, machine)
        yield from look.ports(state["listening"], placed["listens"], shares["recorded"], machine)
    for subject in list(refused):
        yield from told(subject, None)
