"""A change that locks people out takes itself back: the module with real files, and the proof."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from espalier.inventory.way_in import Proof, prove, sentence

ROOT = Path(__file__).resolve().parents[2]
USER = {"owner": os.geteuid(), "group": os.getegid()}


@pytest.fixture(scope="module")
def module() -> Any:
    """The module, as Python has it."""
    path = ROOT / "plugins" / "modules" / "guarded_files.py"
    spec = importlib.util.spec_from_file_location("guarded_files", path)
    assert spec and spec.loader
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    return found


class Machine:
    """A directory that stands for a machine, with what was asked of its systemd."""

    def __init__(self, module: Any, root: Path) -> None:
        """Begin with one file that is in force."""
        self.module, self.root, self.asked = module, root, []
        self.old, self.new = root / "etc/old.conf", root / "etc/new.conf"
        self.in_force = root / "in-force"
        self.old.parent.mkdir()
        (root / "units").mkdir()
        self.old.write_text("before\n")
        self.old.chmod(0o640)
        self.apply = f"cat {root}/etc/*.conf > {self.in_force}"
        self.run(self.apply)

    def run(self, command: str) -> tuple[int, str]:
        """Run a command, but systemd's."""
        if command.startswith("system"):
            self.asked.append(command)
            return 0, ""
        done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True)
        return done.returncode, (done.stdout + done.stderr).strip()

    def guard(self) -> Any:
        """The guard of one call of the module."""
        return self.module.Guard("site", self.run, self.root / "guard", self.root / "units")

    def change(self, check_mode: bool = False, **given: Any) -> dict[str, Any]:
        """Begin a change of both files."""

        class Asked:
            params = {
                "files": [],
                "absent": [],
                "validate": "true",
                "apply": self.apply,
                "in_force": "true",
                "seconds": 60,
            } | given

        Asked.check_mode = check_mode
        wanted = [
            self.module.Wanted(str(self.old), b"after\n", 0o600, *USER.values()),
            self.module.Wanted(str(self.new), b"new\n", 0o644, *USER.values()),
        ]
        self.module.wanted_files = lambda _: given.get("wanted", wanted)
        guard = self.guard()
        with guard.locked():
            return self.module.change(Asked, guard)

    def fire(self, when: str = "timer") -> str:
        """Do what the timer does, or the start of the machine; gives what was asked of systemd."""
        rollback = self.root / "guard/site/rollback"
        systemd = self.root / "bin/systemctl"
        systemd.parent.mkdir(exist_ok=True)
        systemd.write_text('#!/bin/sh\necho "systemctl $*"\n')
        systemd.chmod(0o755)
        path = f"{systemd.parent}:{os.environ['PATH']}"
        argv, is_there = ["/bin/sh", str(rollback), when], rollback.exists()
        done = subprocess.run(argv, check=is_there, env={"PATH": path}, stdout=subprocess.PIPE)
        return done.stdout.decode()

    def state(self) -> tuple[str, int, bool, str]:
        """What is on the machine, and what is in force."""
        mode = self.old.stat().st_mode & 0o777
        return self.old.read_text(), mode, self.new.exists(), self.in_force.read_text()

    def left(self) -> list[str]:
        """What the guard has left behind."""
        kept = [*self.root.glob("guard/*"), *self.root.glob("units/**/*.service")]
        return sorted(str(path.relative_to(self.root)) for path in kept)


BEFORE = ("before\n", 0o640, False, "before\n")
AFTER = ("after\n", 0o600, True, "new\nafter\n")
NOTHING = ["guard/site.lock"]


@pytest.fixture
def machine(module: Any, tmp_path: Path) -> Machine:
    """A machine."""
    return Machine(module, tmp_path)


def test_change_that_is_confirmed_stands(machine: Machine) -> None:
    begun = machine.change()
    assert begun["changed"] and begun["changed_paths"] == [str(machine.old), str(machine.new)]
    assert machine.state() == AFTER
    assert "--on-active=60" in machine.asked[0] and begun["token"] in machine.asked[0]
    assert machine.left() == [
        "guard/site",
        "guard/site.lock",
        "units/espalier-guard-site.service",
        "units/sysinit.target.wants/espalier-guard-site.service",
    ]
    assert machine.guard().confirm(begun["token"]) == "confirmed"
    stop = f"systemctl stop espalier-guard-site-{begun['token']}.timer"
    assert machine.asked[1:] == [f"{stop}; systemctl daemon-reload"]
    machine.fire()
    assert machine.state() == AFTER and machine.left() == NOTHING
    again = machine.change()
    assert (again["changed"], again["token"]) == (False, "")


def test_change_that_is_not_confirmed_is_taken_back(machine: Machine) -> None:
    begun = machine.change()
    assert "systemctl daemon-reload" in machine.fire()  # else it keeps the guard's unit in memory
    assert machine.state() == BEFORE and machine.left() == NOTHING
    assert machine.guard().confirm(begun["token"]) == "taken_back"


def test_start_of_the_machine_puts_back_and_applies_nothing(machine: Machine) -> None:
    machine.change()
    assert "systemctl" not in machine.fire("boot")
    # What reads the files starts later.
    assert machine.state() == (*BEFORE[:3], AFTER[3]) and machine.left() == NOTHING


def test_timer_is_there_before_the_first_file_is_written(machine: Machine) -> None:
    real, seen = machine.run, []

    def run(command: str) -> tuple[int, str]:
        if command.startswith("systemd-run"):
            seen.append(machine.state())
            return 1, "no systemd"
        return real(command)

    machine.run = run  # type: ignore[method-assign]
    with pytest.raises(OSError, match="does not start: no systemd"):
        machine.change()
    assert seen == [BEFORE]
    assert machine.state() == BEFORE and machine.left() == NOTHING


@pytest.mark.parametrize("fault", ["validate", "apply"])
def test_error_is_taken_back_at_once(machine: Machine, fault: str) -> None:
    breaks = f"grep -q before {machine.old} && {machine.apply} || {{ echo broken; exit 3; }}"
    with pytest.raises(OSError, match=r"failed: broken\. The old files are there again"):
        machine.change(**{fault: breaks})
    assert machine.state() == BEFORE and machine.left() == NOTHING


def test_next_run_begins_from_what_was_confirmed(machine: Machine) -> None:
    """The run before it was killed, or is under way beside it."""
    first = machine.change()
    third = machine.module.Wanted(str(machine.old), b"third\n", 0o600, *USER.values())
    second = machine.change(wanted=[third])
    assert second["was_pending"]
    assert machine.state() == ("third\n", 0o600, False, "third\n")
    assert machine.guard().confirm(first["token"]) == "superseded"
    machine.fire()
    assert machine.state() == BEFORE and machine.left() == NOTHING


def test_change_that_was_made_and_not_confirmed_is_made_again(machine: Machine) -> None:
    machine.change()
    again = machine.change()
    assert again["changed"] and again["token"]


def test_file_is_removed_and_comes_back(machine: Machine) -> None:
    machine.change(wanted=[machine.module.Wanted(str(machine.old), None)], apply="true")
    assert not machine.old.exists()
    machine.new.write_text("of somebody else\n")
    machine.fire()
    assert machine.old.read_text() == "before\n" and machine.old.stat().st_mode & 0o777 == 0o640


def test_what_is_not_in_force_is_applied_again(machine: Machine) -> None:
    machine.guard().confirm(machine.change()["token"])
    machine.in_force.write_text("")
    begun = machine.change(in_force=f"grep -q after {machine.in_force}")
    assert begun["changed"] and begun["token"] and begun["changed_paths"] == []
    assert machine.state() == AFTER


def test_check_mode_tells_and_changes_nothing(machine: Machine) -> None:
    told = machine.change(check_mode=True)
    assert told["changed"] and told["token"] == ""
    assert [(d["before"], d["after"]) for d in told["diff"]] == [
        ("before\n", "after\n"),
        ("", "new\n"),
    ]
    assert machine.state() == BEFORE and machine.left() == NOTHING and machine.asked == []


def attempts(*outcomes: Proof | str) -> Callable[[], Proof]:
    """Give these outcomes one after the other; a text is the error of a connection."""
    left = list(outcomes)

    def attempt() -> Proof:
        found = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(found, str):
            raise ConnectionError(found)
        return found

    return attempt


def proven(*outcomes: Proof | str) -> tuple[Proof, float]:
    """What `prove` makes of them, and after how many seconds; an attempt takes one."""
    clock = [0.0]
    tried = attempts(*outcomes)

    def attempt() -> Proof:
        clock[0] += 1
        return tried()

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    return prove(attempt, 60, lambda: clock[0], sleep), clock[0]


def test_proof_is_tried_until_the_machine_answers() -> None:
    assert proven(Proof("confirmed")) == (Proof("confirmed"), 1)
    refused = "Failed to connect to the host via ssh: ssh: connect to host x port 22: refused."
    words = "connect to host x port 22: refused"
    assert proven(refused, "later", Proof("taken_back")) == (Proof("taken_back", words), 7)
    assert proven(refused) == (Proof("", words), 97)


def test_sentence_says_what_was_tried_and_what_to_do() -> None:
    def told(proof: Proof) -> str:
        return sentence("vps1", "the firewall", "`firewall` in hosts.yml", proof, 60, "/x")

    assert told(Proof("confirmed", "one try failed")) == ""
    assert told(Proof("taken_back", "timed out")) == (
        "vps1: the firewall was changed, and then no new SSH connection could be had (timed out). "
        "So the machine has taken that change back, and can be reached. Correct `firewall` in "
        "hosts.yml, and run it again."
    )
    assert "`sh /x/rollback now`" in told(Proof("", "timed out"))
    assert "another run is changing the firewall" in told(Proof("superseded"))
