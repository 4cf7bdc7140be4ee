"""The order of a rotation: what is written, when the machines are asked, what stops it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from espalier.inventory.read import Passwords
from espalier.inventory.site import Site, SiteError
from espalier.secrets import rotate
from espalier.secrets.rotate import Rotation
from espalier.secrets.store import Store
from espalier.secrets.vault import Vault

NO_VAULT = Vault(text=None, encrypted=False, password_known=False, variables={})


class Inventory:
    """An inventory with secrets in files, and what its machines would do."""

    def __init__(self, folder: Path, services: tuple[str, ...] = (), **files: str) -> None:
        """Take its directory, the services of its machine, and its files."""
        self.folder, self.files = folder, dict(files)
        self.statuses: list[int] = []
        self.seen: list[dict[str, str]] = []
        self.told: list[str] = []
        machines = {name: ["vps1"] for name in ("postgresql_primary", *services)}
        topology = {"services": {"redis": [], "queue": [], **machines}}
        self.site = Site(folder, "shop", topology, {}, {}, {})

    def open_store(self) -> Store:
        """Read the files."""
        found = {p.name: p.read_text().strip() for p in (self.folder / ".secrets").glob("[!.]*")}
        return Store(self.folder, Passwords(), NO_VAULT, found)

    def run_site(self) -> int:
        """Note what the machines see, and give the status that is next."""
        self.seen.append(dict(self.open_store().values))
        return self.statuses.pop(0) if self.statuses else 0

    def rotation(self, monkeypatch: pytest.MonkeyPatch, open_login: bool = False) -> Rotation:
        """Write the files; `open_login`: what the primary says of the other login."""
        (self.folder / ".secrets").mkdir()
        for name, value in self.files.items():
            (self.folder / ".secrets" / name).write_text(f"{value}\n")
        asked = (0, "1\n" if open_login else "\n", "")
        monkeypatch.setattr(rotate, "reach", reaching(asked))
        return Rotation(self.site, self.open_store, self.run_site, self.told.append)


def reaching(answer: tuple[int, str, str]) -> Any:
    @contextmanager
    def reach(site: Site) -> Any:
        yield SimpleNamespace(run=lambda machine, words: answer)

    return reach


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> set[str]:
    return {name for name in before | after if before.get(name) != after.get(name)}


def test_all_are_rotated_in_two_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {"database_password": "a", "secret_key": "b", "redis_password": "c"}
    inventory = Inventory(tmp_path, **before)
    rotation = inventory.rotation(monkeypatch)
    rotation.rotate(rotation.choose("all"))
    first, last = inventory.seen
    assert changed(before, first) == {
        "database_login",
        "database_password_second",
        "redis_password",
        "redis_password_old",
        "secret_key_next",
    }
    assert changed(first, last) == {
        "redis_password_old",
        "secret_key",
        "secret_key_next",
        "secret_key_old",
    }
    assert (last["secret_key"], last["secret_key_old"]) == (first["secret_key_next"], "b")


def test_run_that_fails_leaves_both_valid_and_is_finished_by_the_same_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = Inventory(tmp_path, redis_password="a")
    inventory.statuses = [3]
    rotation = inventory.rotation(monkeypatch)
    with pytest.raises(SiteError, match="run the same command again") as failed:
        rotation.rotate(["redis_password"])
    assert failed.value.status == 3
    rotation.rotate(["redis_password"])
    one, two, three = inventory.seen
    assert one == two
    assert three == {"redis_password": one["redis_password"]}
    assert "is finished" in inventory.told[0]


def test_database_s_rotation_that_was_cut_off_makes_no_third_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {"database_password": "a", "database_password_second": "b", "database_login": "second"}
    inventory = Inventory(tmp_path, **kept)
    rotation = inventory.rotation(monkeypatch, open_login=True)
    rotation.rotate(["database_password"])
    assert inventory.seen == [kept]


def test_database_that_does_not_answer_stops_it_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = Inventory(tmp_path, secret_key="s", database_password="a")
    rotation = inventory.rotation(monkeypatch)
    monkeypatch.setattr(rotate, "reach", reaching((255, "", "ssh: no route")))
    with pytest.raises(SiteError, match=r"vps1 cannot be asked .* Nothing was changed"):
        rotation.rotate(["secret_key", "database_password"])
    assert inventory.open_store().values == {"secret_key": "s", "database_password": "a"}
    assert inventory.seen == []


def test_old_secret_key_is_dropped_on_demand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = Inventory(tmp_path, secret_key="b", secret_key_old="a")
    rotation = inventory.rotation(monkeypatch)
    assert rotation.drop_old()
    assert inventory.seen == [{"secret_key": "b"}]
    assert not rotation.drop_old()
    assert len(inventory.seen) == 1


def test_what_is_not_made_yet_is_not_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rotation = Inventory(tmp_path, secret_key="b").rotation(monkeypatch)
    assert rotation.choose("all") == ["secret_key"]
    with pytest.raises(SiteError, match="media_token is not made yet"):
        rotation.choose("media_token")


def test_what_opens_the_backups_is_never_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # With another one, nobody could read the copies that there are.
    made = {"secret_key": "b", "backup_passphrase": "p", "backup_ssh_key": "k"}
    inventory = Inventory(tmp_path, **made)
    rotation = inventory.rotation(monkeypatch)
    assert rotation.choose("all") == ["secret_key"]


def test_only_redis_interrupts_and_only_where_it_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = Inventory(tmp_path)
    rotation = without.rotation(monkeypatch)
    assert rotation.interruptions(["redis_password"]) == []
    with_redis = Inventory(tmp_path, services=("redis", "queue"))
    rotation = Rotation(with_redis.site, with_redis.open_store, with_redis.run_site, print)
    words = rotation.interruptions(["secret_key", "redis_password"])
    assert [sentence.split(" restarts")[0] for sentence in words] == ["redis", "the queue"]
    assert rotation.interruptions(["secret_key", "database_password", "media_token"]) == []


def test_value_that_stays_the_same_is_not_called_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = Inventory(tmp_path, replication_password="a")
    rotation = inventory.rotation(monkeypatch)
    store = inventory.open_store()
    stuck = Rotation(inventory.site, lambda: store, lambda: 0, print)
    with pytest.raises(SiteError, match="replication_password still has the value of before"):
        stuck.rotate(["replication_password"])
    rotation.rotate(["replication_password"])
