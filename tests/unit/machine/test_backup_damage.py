"""What is made, and what is told, while a part of the repository is damaged."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from espalier_machine.database_backup import backup, state, verify
from espalier_machine.database_backup.errors import BackupError

from .backups import CONFIG, FIRST, SECOND, Programs, here, info, made

HOUR, DAY = 3600.0, 86400.0
NEXT = made("20261130-093600F", 1796031360, 1796031361, "000000010000000000000007", "0/7000050")


def now(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Have it be so many seconds after the second backup."""
    monkeypatch.setattr(backup.time, "time", lambda: SECOND["timestamp"]["stop"] + seconds)


def remembered(folder: Path) -> dict[str, Any]:
    """Return what is remembered of the last backup."""
    found: dict[str, Any] = json.loads((folder / "backup.json").read_text())
    return found


DAMAGED = "stanza: shop\nstatus: error\n  archiveId: 15-1\n    checksum invalid: 1\n"
DAMAGE = "The repository is damaged (checksum invalid: 1)."


@pytest.mark.parametrize("falls_back", [False, True])
def test_damage_is_remembered_and_looked_for_each_night_until_it_is_gone(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch, falls_back: bool
) -> None:
    now(monkeypatch, DAY)
    programs.answers = {"info": info(FIRST, SECOND), "SELECT timeline_id": "1\n"}
    programs.answers["verify"] = (0, DAMAGED, "")
    mark = tmp_path / "dropped"
    mark.touch()  # so a full one is made, with which all is read
    with pytest.raises(BackupError, match="The repository is damaged"):
        backup.make(CONFIG)
    # The backup itself was made.
    assert remembered(tmp_path)["kind"] == "full"
    assert verify.failure() == DAMAGE
    mark.unlink(missing_ok=True)
    # The next night: a differential one, or none, and all is read again.
    machine = here(tmp_path, falls_back=falls_back)
    if falls_back:
        now(monkeypatch, HOUR)
    with pytest.raises(BackupError, match="The repository is damaged"):
        backup.make(machine)
    assert "error" not in remembered(tmp_path)
    assert verify.failure() == DAMAGE
    programs.answers["verify"] = ""
    backup.make(machine)
    assert verify.failure() == ""
    programs.calls.clear()
    backup.make(machine)
    assert programs.ran("verify") == []


def says(*labels: str) -> tuple[int, str, str]:
    """Return what `verify` says where backups are damaged."""
    lines = [
        f"  backup: {label}, status: invalid, total files checked: 964, total valid files: 963\n"
        "    checksum invalid: 1\n"
        for label in labels
    ]
    return 0, f"stanza: shop\nstatus: error\n{''.join(lines)}", ""


def made_in_a_night(programs: Programs, machine: Any = CONFIG) -> str:
    """Have a backup be made, whatever is damaged; gives its kind, "" for none."""
    programs.calls.clear()
    try:
        backup.make(machine)
    except BackupError as error:
        assert str(error).startswith("The repository ")
    kinds = re.findall(r"--type=(\w+)", " ".join(programs.ran("backup")))
    return kinds[0] if kinds else ""


@pytest.mark.parametrize("falls_back", [False, True])
def test_nothing_builds_on_a_full_backup_that_is_damaged(
    tmp_path: Path, programs: Programs, monkeypatch: pytest.MonkeyPatch, falls_back: bool
) -> None:
    now(monkeypatch, HOUR if falls_back else DAY)
    machine, usual = here(tmp_path, falls_back=falls_back), "" if falls_back else "diff"
    before, after = info(FIRST, SECOND), info(FIRST, SECOND, NEXT)
    programs.answers = {"info": before, "SELECT timeline_id": "1\n"}
    programs.answers["verify"] = says(FIRST["label"], SECOND["label"])
    with pytest.raises(BackupError, match="The repository is damaged"):
        verify.verify(CONFIG)
    # A check that could not be made says nothing of what is damaged.
    programs.answers["verify"] = (49, "", "ERROR: [049]: unable to connect to 'h'")
    with pytest.raises(BackupError, match="The repository cannot be checked"):
        verify.verify(CONFIG)
    programs.answers |= {"verify": says(FIRST["label"], SECOND["label"]), "info": [before, after]}
    assert made_in_a_night(programs, machine) == "full"
    # The damaged one is still kept, so that fails again; and the new one is there.
    assert verify.damaged() == [FIRST["label"], SECOND["label"]]
    programs.answers["info"] = after
    assert made_in_a_night(programs, machine) == usual
    # The new one is damaged as well.
    programs.answers["verify"] = says(FIRST["label"], NEXT["label"])
    assert made_in_a_night(programs, machine) == usual
    assert made_in_a_night(programs, machine) == "full"


def test_damage_of_wal_or_of_what_a_version_before_found_makes_no_full_backup(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    now(monkeypatch, DAY)
    programs.answers = {"info": info(FIRST, SECOND), "SELECT timeline_id": "1\n"}
    programs.answers["verify"] = (0, DAMAGED, "")
    state.save("verify", {"failed": 5.0, "error": DAMAGE})
    assert [made_in_a_night(programs) for _ in range(2)] == ["diff", "diff"]
