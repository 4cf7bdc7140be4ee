"""Data of a site that a run would lose, leave behind or mix up: refused in a sentence."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.playbooks import (
    HERE,
    OTHER,
    VPS,
    assert_refused,
    check_this_machine,
    write_inventory,
)


def test_database_machine_that_was_taken_out_of_the_inventory(tmp_path: Path) -> None:
    # What the machine recorded at the last run, when db1 was still there.
    record = {"services": ["django", "nginx"], "projects": ["orchard"], "primary": "db1"}
    write_inventory(tmp_path / "inventory", machines={"vps1": HERE | {"recorded": record}})
    done = check_this_machine(tmp_path / "inventory")
    assert_refused(done, "The database of this site is on db1", "Put db1 back into hosts.yml")


@pytest.mark.parametrize("name", ["vps1", "vps2"])
@pytest.mark.parametrize("is_restore", [False, True])
def test_restore_onto_a_new_machine_where_another_one_is_left(
    tmp_path: Path, name: str, is_restore: bool
) -> None:
    # vps1 is gone. Another machine has its place: of the same name, or of another one.
    record = {"services": ["restic_repository"], "site": "orchard"}
    record |= {"primary": "vps1", "uploads": "vps1"}
    said = {"restore": {}} if is_restore else {}
    left = HERE | {"ansible_host": "127.0.0.1", "recorded": record} | said
    machines = {name: HERE | said, "backup1": left}
    write_inventory(tmp_path / "inventory", machines=machines)
    done = check_this_machine(tmp_path / "inventory")
    if is_restore:
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        assert_refused(done, "The database of this site is on vps1", f"now has {name} as the first")


# How a list of pgBackRest's begins that is encrypted with `secret`.
OF_SECRET = base64.b64decode("U2FsdGVkX1+DTSAddFegivn+7G/uea6MSbcMFk1HdDI=")


def keep_backups(folder: Path, backup1: Mapping[str, Any], **both: Any) -> dict[str, Any]:
    """Give vps1, which is new, and backup1, whose backups are in a directory of the test's own.

    For `write_inventory` with `backup`; both machines and backup1 have variables in addition.
    """
    settings = {"to": "machine", "path": str(folder), "waiting_wal": None, "drill": True}
    settings |= {"at": "02:30", "keep": {"days": 14, "full": 2}}
    settings |= dict.fromkeys(("bucket", "endpoint", "region", "host", "user", "host_key"), "")
    said = {"backup_settings": settings | {"port": 22}} | both
    return {"vps1": HERE | said | VPS, "backup1": HERE | said | OTHER | {**backup1}}


def test_backups_that_wait_on_a_machine_that_knows_their_destination(tmp_path: Path) -> None:
    record = {"services": ["pgbackrest_repository"], "site": "orchard", "backup": "known"}
    (tmp_path / "kept/database/backup/orchard").mkdir(parents=True)
    (tmp_path / "kept/database/backup/orchard/backup.info").write_bytes(OF_SECRET)
    machines = keep_backups(tmp_path / "kept", {"recorded": record, "backup_fingerprint": "known"})
    inventory = tmp_path / "inventory"
    write_inventory(inventory, machines=machines, backup=["backup1"])
    (inventory / ".secrets").mkdir(mode=0o700)
    (inventory / ".secrets/backup_passphrase").write_text("secret\n")
    done = check_this_machine(inventory)
    sentence = "has backups of orchard"
    assert_refused(done, sentence, "vps1 has no database yet", "espalier restore --to latest")


def test_destination_without_room_for_what_is_there(tmp_path: Path) -> None:
    # A sparse file, larger than this machine's disk.
    (tmp_path / "site/media").mkdir(parents=True)
    with (tmp_path / "site/media/film.mp4").open("wb") as file:
        file.truncate(10**13)
    inventory = tmp_path / "inventory"
    directory = {"project_directory": f"{tmp_path}/site"}
    machines = keep_backups(tmp_path / "kept", {}, **directory)
    write_inventory(inventory, machines=machines, backup=["backup1"])
    done = check_this_machine(inventory)
    assert_refused(done, "uploads take 10000.0 GB", "Make room there", "Nothing was changed.")


def test_passphrase_that_was_just_made_where_backups_wait(tmp_path: Path) -> None:
    # A computer without the secrets, in a restore or not.
    (tmp_path / "kept/database/backup/orchard").mkdir(parents=True)
    (tmp_path / "kept/database/backup/orchard/backup.info").write_bytes(OF_SECRET)
    inventory = tmp_path / "inventory"
    machines = keep_backups(tmp_path / "kept", {}, restore={})
    write_inventory(inventory, machines=machines, backup=["backup1"])
    done = check_this_machine(inventory)
    assert_refused(done, f"{inventory}/.secrets/backup_passphrase is not what", "encrypted with")
    (inventory / ".secrets/backup_passphrase").write_text("secret\n")
    done = check_this_machine(inventory)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("carries", "word", "is_refused"),
    [
        ("orchard", "", False),  # a colleague's copy of the inventory
        ("", "", False),  # of a version before, on a machine that does not say it
        ("shop", "", True),
        ("shop", "till", True),
        ("shop", "shop", False),
        ("shop", "*", False),
    ],
)
def test_machine_that_carries_another_site(
    tmp_path: Path, carries: str, word: str, is_refused: bool
) -> None:
    # No Django here: the database of the other site is on it, and a cache.
    record = {"services": ["redis"], "projects": [], "site": carries, "primary": "db0"}
    machine = HERE | {"recorded": record} | ({"replace_site": word} if word else {})
    if not is_refused and carries != "shop":
        record["primary"] = "vps1"
        record["services"] = ["postgresql_primary"]
    write_inventory(tmp_path / "inventory", machines={"vps1": machine})
    done = check_this_machine(tmp_path / "inventory")
    if is_refused:
        sentence = "vps1 carries the site shop, and this inventory is of orchard"
        assert_refused(done, sentence, "--replace-site shop", "Nothing was changed.")
    else:
        assert done.returncode == 0, done.stdout + done.stderr


def test_uploads_that_would_stay_behind_on_a_machine_that_is_gone(tmp_path: Path) -> None:
    record = {"services": ["django", "nginx"], "projects": ["orchard"], "uploads": "web0"}
    write_inventory(tmp_path / "inventory", machines={"vps1": HERE | {"recorded": record}})
    done = check_this_machine(tmp_path / "inventory")
    assert_refused(done, "uploads of this site are on web0", "Put web0 back", "rsync -a")
