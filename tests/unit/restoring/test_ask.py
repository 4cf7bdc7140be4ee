"""The program of a machine is asked, with what it takes on its standard input."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from espalier.inventory.remote import Remote
from espalier.inventory.site import Site, SiteError
from espalier.restoring.ask import NotThere, ask

# Plays `database-backup`: notes how it is called, and answers with the file `answer`.
PROGRAM = """#!/bin/sh
cd "$(dirname "$0")"
echo "$@" > called
cat > said
cat answer
cat errors >&2
exit $(cat status)
"""
SUDO = '#!/bin/sh\nshift\n[ "$1" = -- ] && shift\nexec "$@"\n'


class Here(Remote):
    """This computer, in place of a machine behind SSH."""

    def command(self, machine: str, options: Sequence[str] = ()) -> list[str]:
        """A shell, as ssh would give it there."""
        return ["sh", "-c"]


@pytest.fixture
def machine(tmp_path: Path) -> Here:
    """A machine whose programs are in a directory of the test's own."""
    for name, text in (("id", "#!/bin/sh\necho 0\n"), ("database-backup", PROGRAM)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    for name in ("errors", "answer"):
        (tmp_path / name).write_text("")
    (tmp_path / "status").write_text("0")
    path = f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin"
    site = Site(tmp_path, "shop", {}, {}, {}, {"vps1": {}})
    return Here(site, tmp_path / "config", {"PATH": path})


def answering(machine: Here, answer: Any, status: int = 0, errors: str = "") -> None:
    """Have the program answer."""
    folder = machine.site.inventory
    (folder / "answer").write_text(answer if isinstance(answer, str) else json.dumps(answer))
    (folder / "status").write_text(str(status))
    (folder / "errors").write_text(errors)


def test_answer_and_what_was_asked(machine: Here) -> None:
    answering(machine, {"ok": True, "bytes": 5})
    said = {"before": 'DROP TABLE "it\'s" $HOME'}
    assert ask(machine, "vps1", "plan", said) == {"ok": True, "bytes": 5}
    folder = machine.site.inventory
    assert (folder / "called").read_text() == "plan --json\n"
    assert (folder / "said").read_text() == json.dumps(said) + "\n"


def test_password_of_sudo_does_not_reach_the_program(machine: Here) -> None:
    answering(machine, {"ok": True})
    machine.site.variables["vps1"] = {"ansible_become_password": "grafting wax"}
    ask(machine, "vps1", "plan", {"latest": True})
    assert (machine.site.inventory / "said").read_text() == '{"latest": true}\n'


def test_failure_is_the_program_s_own_sentence(machine: Here) -> None:
    told = {"ok": False, "error": "The destination has no backup yet.", "detail": "ERROR: [1]"}
    answering(machine, told, 1, "The destination has no backup yet.")
    with pytest.raises(SiteError) as failed:
        ask(machine, "vps1", "plan", {})
    assert str(failed.value) == "The destination has no backup yet."
    assert (failed.value.status, failed.value.detail) == (1, "ERROR: [1]")


def test_machine_that_does_not_answer(machine: Here) -> None:
    answering(machine, "", 255, "ssh: connect to host 203.0.113.1: No route to host\n")
    with pytest.raises(SiteError) as failed:
        ask(machine, "vps1", "plan", {})
    assert str(failed.value) == "vps1: ssh: connect to host 203.0.113.1: No route to host"
    assert not isinstance(failed.value, NotThere)


@pytest.mark.parametrize("is_root", [True, False])
def test_machine_that_is_new(machine: Here, is_root: bool) -> None:
    folder = machine.site.inventory
    (folder / "database-backup").unlink()
    (folder / "sudo").write_text(SUDO)
    (folder / "sudo").chmod(0o755)
    (folder / "id").write_text(f"#!/bin/sh\necho {0 if is_root else 1000}\n")
    with pytest.raises(NotThere) as failed:
        ask(machine, "vps1", "plan", {})
    assert (
        str(failed.value) == "vps1 has no program database-backup yet: `espalier site` brings it."
    )


def test_program_of_an_earlier_version(machine: Here) -> None:
    answering(machine, "", 2, "database-backup: error: argument action: invalid choice: 'find'")
    with pytest.raises(SiteError, match="or one of an earlier version: run `espalier site`"):
        ask(machine, "vps1", "find", {})
