"""The module that keeps what must outlive the kit, and names it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from plugins.modules import leaving


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine's disk below a directory: the places of the module are looked for there."""
    places = tuple((what, f"{tmp_path}{pattern}") for what, pattern in leaving.PLACES)
    monkeypatch.setattr(leaving, "PLACES", places)
    monkeypatch.setattr(leaving, "MEDIA", f"{tmp_path}{leaving.MEDIA}")
    monkeypatch.setattr(leaving, "DATA", f"{tmp_path}{leaving.DATA}")
    return tmp_path


def write(path: Path, size: int = 10) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)


def test_what_is_there_is_named_once(machine: Path) -> None:
    write(machine / "srv/shop/media/cat.jpg")
    write(machine / "srv/shop/releases/1/manage.py")
    (machine / "srv/shop/current").symlink_to("releases/1")
    write(machine / "srv/shop/data/cellar/visits.txt")
    write(machine / "srv/till/media/other-site.jpg")
    write(machine / "var/lib/espalier-kept/20260101-000000-shop.dump")
    found = [
        (one["path"].removeprefix(str(machine)), one["size"].split(",")[0])
        for one in leaving.kept("shop")
    ]
    assert found == [
        ("/var/lib/espalier-kept/20260101-000000-shop.dump", "1 file"),
        ("/srv/shop/media", "1 file"),
        ("/srv/shop/data", "1 file"),
        ("/srv/shop", "1 file"),
    ]


def test_uploads_are_named_even_where_there_are_none(machine: Path) -> None:
    (machine / "srv/shop/media").mkdir(parents=True)
    assert [one["size"] for one in leaving.kept("shop")] == ["0 files, 0 bytes"]


@pytest.mark.parametrize(
    ("count", "size", "words"),
    [
        (1, 999, "1 file, 999 bytes"),
        (2, 1500, "2 files, 1.5 kB"),
        (3, 2_340_000_000, "3 files, 2.3 GB"),
    ],
)
def test_size_is_told_in_words(count: int, size: int, words: str) -> None:
    assert leaving.in_words(count, size) == words


def test_dump_of_one_database_takes_no_other_s_place() -> None:
    names = ["my own", "my/own", "my_own", "shop"]
    assert leaving.file_names(names) == {
        "my own": "my_own",
        "my/own": "my_own_",
        "my_own": "my_own__",
        "shop": "shop",
    }


def test_database_that_is_half_dropped_is_closed_too() -> None:
    """PostgreSQL lets nobody in, so a removal would stop at it each time."""
    assert "'closed', NOT datallowconn OR datconnlimit = -2" in leaving.DATABASES


def test_readme_names_every_place_and_the_way_back(machine: Path) -> None:
    write(machine / "srv/shop/media/cat.jpg")
    text = leaving.readme("shop", ["nginx", "postgresql"], "2026-11-28")
    assert f"{machine}/srv/shop/media\n    uploads: 1 file" in text
    assert "espalier import --dump FILE" in text
    assert "nginx postgresql" in text


def test_readme_of_another_site_is_kept(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "README", str(machine / "README"))
    leaving.write_readme("till", [], "2026-11-27")
    leaving.write_readme("shop", [], "2026-11-28")
    leaving.write_readme("shop", [], "2026-11-29")
    assert "on 2026-11-29. The site was called shop." in (machine / "README").read_text()
    assert "The site was called till." in (machine / "README-till").read_text()
    assert not (machine / "README-shop").exists()


Clustered = Callable[..., leaving.Cluster]


@pytest.fixture
def clustered(machine: Path, monkeypatch: pytest.MonkeyPatch) -> Clustered:
    """Makes a cluster that tells `databases`, or does not answer; whose commands are in `argv`."""
    monkeypatch.setattr(leaving, "KEPT", f"{machine}{leaving.KEPT}")

    def make(databases: list[dict[str, Any]] | None) -> leaving.Cluster:
        def run(argv: list[str], **how: Any) -> tuple[int, str, str]:
            if "psql" not in argv:
                return 0, "", ""
            return (2, "", "no room") if databases is None else (0, json.dumps(databases), "")

        def fail(msg: str) -> None:
            raise SystemExit(msg)

        module = SimpleNamespace(
            params={"postgresql": 17}, check_mode=False, run_command=run, fail_json=fail
        )
        cluster = leaving.Cluster(module)  # type: ignore[arg-type]
        cluster.exists = True
        monkeypatch.setattr(leaving, "Cluster", lambda module: cluster)
        return cluster

    return make


def test_removal_stops_where_databases_cannot_be_listed(clustered: Clustered) -> None:
    cluster = clustered(None)
    cluster.dump = lambda to, *words: None  # type: ignore[method-assign]
    with pytest.raises(SystemExit, match=r"does not tell its databases: no room\. So no dump"):
        leaving.dump(cluster.module, "20261129-000000")


def test_closed_database_is_not_dumped_and_named(machine: Path, clustered: Clustered) -> None:
    cluster = clustered(
        [{"name": "old", "bytes": 1, "closed": True}, {"name": "shop", "bytes": 1, "closed": False}]
    )
    dumped: list[str] = []
    cluster.dump = lambda to, *words: dumped.append(Path(to).name)  # type: ignore[method-assign]
    assert leaving.dump(cluster.module, "20261129-000000")
    assert dumped == ["20261129-000000-roles.sql", "20261129-000000-shop.dump"]
    assert Path(leaving.KEPT, "20261129-000000-not-dumped").read_text() == "old\n"
    assert any("closed to connections" in one["what"] for one in leaving.kept("shop"))
