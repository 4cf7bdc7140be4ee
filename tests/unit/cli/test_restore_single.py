"""espalier restore --table, --upload: what it asks of which machine, and what it says."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from espalier.cli import command, restore, restore_single
from espalier.cli.main import main
from espalier.inventory.site import Site, SiteError

AT = 1795874580.0  # 2026-11-28 14:03:00 UTC
TARGET = {"kind": "time", "time": AT, "what": "as it was then", "backup": "20261128-023000F"}
NEW = "public.shop_order_20261128_140300"
BROUGHT = {
    "ok": True,
    "table": "public.shop_order",
    "new": NEW,
    "rows": 1204,
    "look": f"SELECT * FROM {NEW} LIMIT 10",
    "insert": f"INSERT INTO public.shop_order (id) SELECT id FROM {NEW} ON CONFLICT DO NOTHING",
    "drop": f"DROP TABLE {NEW}",
    "is_live": True,
    "without": [],
}
FILE = "/srv/shop/media/photos/old tree.jpg.restored-20261130-101500"
UPLOAD = {
    "ok": True,
    "path": "photos/old tree.jpg",
    "moment": "2026-11-28T14:03:00+00:00",
    "written": "2026-11-27T09:00:00+00:00",
    "bytes": 2000,
    "unchanged": False,
    "restored": FILE,
    "snapshot": {},
}
TO = ("--to", "2026-11-28 14:03")


class Machines:
    """What the machines of a site answer, and what they were asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have a site whose primary, replica and uploads are on three machines."""
        services = {
            "pgbackrest": ["db1", "db2"],
            "postgresql_primary": ["db1"],
            "postgresql_replica": ["db2"],
            "restic": ["web1"],
        }
        self.site = Site(folder, "shop", {"services": services}, {}, {}, {})
        self.folder, self.target = folder, TARGET
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.ran: list[tuple[str, list[str]]] = []
        self.brought: dict[str, Any] = BROUGHT
        self.upload: tuple[int, str, str] = (0, json.dumps(UPLOAD), "")
        self.fails = ""
        monkeypatch.setenv("XDG_STATE_HOME", str(folder))
        monkeypatch.setattr(command, "read", lambda *given, **more: self.site)
        for module in (restore, restore_single):
            monkeypatch.setattr(module, "reach", lambda site: nullcontext(self))
        monkeypatch.setattr(restore_single, "ask", self.ask)
        monkeypatch.setattr(restore_single, "ask_long", self.ask)

    def ask(self, remote: Any, machine: str, action: str, said: Any) -> dict[str, Any]:
        """Answer as `database-backup` does."""
        self.asked.append((machine, action, said))
        if action == self.fails:
            raise SiteError("db1: There is no table shop_ordr: did you mean shop_order?")
        if action == "restore-table":
            return self.brought
        return {"target": self.target, "new": NEW.partition(".")[2], "backup_ended": AT - 3600}

    def run(self, machine: str, words: list[str]) -> tuple[int, str, str]:
        """Answer as `uploads-backup` does."""
        self.ran.append((machine, words))
        return self.upload

    def type(self, *words: str) -> Any:
        """Type the command."""
        return CliRunner().invoke(main, ["restore", "-i", str(self.folder), *words])


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, utc: None) -> Machines:
    """The machines, and a computer whose clock is UTC."""
    return Machines(tmp_path, monkeypatch)


PLAN = [
    "shop_order would come back as shop_order_20261128_140300 on db1, beside the live one.",
    "  moment  2026-11-28 14:03:00 UTC",
    "  from    the backup of 2026-11-28 13:03:00 UTC (20261128-023000F), and the WAL since then",
    "  kept    all that is there: nothing of it is changed",
]


def test_table_comes_back_on_the_primary_and_nothing_is_asked(machines: Machines) -> None:
    done = machines.type("--table", "shop_order", *TO)
    assert (done.exit_code, done.stderr) == (0, "")
    assert machines.asked == [
        ("db1", "plan-table", {"to": AT, "table": "shop_order"}),
        ("db1", "restore-table", {"table": "shop_order", "target": TARGET}),
    ]
    lines = done.stdout.splitlines()
    assert lines[:4] == PLAN
    assert "1204 rows" in lines[4]
    psql = f"  espalier psql -i {machines.folder} -c"
    assert lines[5:] == [
        f"{NEW} on db1 has what public.shop_order had then: 1204 rows.",
        "Not copied: defaults, checks, foreign keys, triggers, privileges, and indexes but the "
        "primary key.",
        "Look at it:",
        f"{psql} '{BROUGHT['look']}'",
        "Bring rows back that public.shop_order has no more; those that are there stay:",
        f"{psql} '{BROUGHT['insert']}'",
        "Remove it when you are done; until then, a clone takes it along, with all that is in it:",
        f"{psql} '{BROUGHT['drop']}'",
    ]


def test_plan_of_a_table_is_all_that_is_done(machines: Machines) -> None:
    machines.target = {**TARGET, "kind": "xid", "what": "just before `DROP TABLE shop_order`"}
    done = machines.type("--table", "shop_order", "--before", "DROP TABLE", "--plan")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[1] == "  moment  just before `DROP TABLE shop_order`"
    assert [action for _, action, _ in machines.asked] == ["plan-table"]


def test_table_that_is_gone_and_columns_that_are(machines: Machines) -> None:
    machines.brought = {**BROUGHT, "is_live": False, "without": ["note", "more"]}
    said = machines.type("--table", "shop_order", *TO).stdout
    assert "public.shop_order is gone. Make it anew, as by a migration; then bring its" in said
    assert "  (without note, more: the live table has no such column)\n" in said


@pytest.mark.parametrize("fails", ["plan-table", "restore-table"])
def test_table_that_does_not_come_back(machines: Machines, fails: str) -> None:
    machines.fails = fails
    done = machines.type("--table", "shop_ordr", *TO)
    assert done.exit_code == 1
    assert done.stderr == ("restore: db1: There is no table shop_ordr: did you mean shop_order?\n")
    assert "Look at it" not in done.stdout


def test_upload_comes_back_on_the_machine_that_has_them(machines: Machines) -> None:
    done = machines.type("--upload", "photos/old tree.jpg", *TO)
    assert (done.exit_code, done.stderr, machines.asked) == (0, "", [])
    words = ["uploads-backup", "restore-file", "--json", "--to", "2026-11-28T14:03:00+00:00"]
    assert machines.ran == [("web1", [*words, "--", "photos/old tree.jpg"])]
    assert done.stdout.splitlines() == [
        "photos/old tree.jpg, as it was at 2026-11-28 14:03:00 UTC, would come back on web1, "
        "beside the live one.",
        f"{FILE} on web1 is photos/old tree.jpg as it was then.",
        "  size    2000 bytes, written 2026-11-27 09:00:00 UTC",
        "  name    photos/old tree.jpg.restored-20261130-101500, by which visitors reach it too",
        "In place of the live one, on web1 as root:",
        f"  mv '{FILE}' '/srv/shop/media/photos/old tree.jpg'",
        "Or remove it when you have seen it:",
        f"  rm '{FILE}'",
    ]


@pytest.mark.parametrize(
    ("words", "moment", "asked"),
    [
        (("--to", "latest"), "latest", []),
        (("--transaction", "770"), "2026-11-28T14:03:00+00:00", [{"transaction": 770}]),
        (("--before", "DROP"), "2026-11-28T14:03:00+00:00", [{"before": "DROP"}]),
    ],
)
def test_moment_of_an_upload(
    machines: Machines, words: tuple[str, ...], moment: str, asked: list[Any]
) -> None:
    assert machines.type("--upload", "a.jpg", *words, "--plan").exit_code == 0
    assert machines.ran == []
    assert machines.type("--upload", "a.jpg", *words).exit_code == 0
    assert machines.ran[0][1][4] == moment
    assert machines.asked == [("db1", "find", said) for said in asked * 2]


def test_upload_that_is_what_it_was(machines: Machines) -> None:
    same = {**UPLOAD, "unchanged": True, "restored": None, "snapshot": None}
    machines.upload = (0, json.dumps(same), "")
    done = machines.type("--upload", "photos/old tree.jpg", *TO)
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (
        0,
        "photos/old tree.jpg on web1 is what it was then, written 2026-11-27 09:00:00 UTC: nothing "
        "was done.",
    )


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            (1, json.dumps({"ok": False, "error": "The uploads are in the bucket b."}), ""),
            "web1: The uploads are in the bucket b.",
        ),
        ((127, "", "not found"), "web1 has no program uploads-backup yet: `espalier site` brings"),
        ((255, "", "ssh: no route"), "web1: ssh: no route"),
    ],
)
def test_upload_that_does_not_come_back(machines: Machines, answer: Any, sentence: str) -> None:
    machines.upload = answer
    done = machines.type("--upload", "a.jpg", *TO)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"restore: {sentence}")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--table", "a", "--upload", "b", *TO), "--table and --upload are two restores: name one"),
        # Not taken for the restore of all.
        (("--table", "", *TO, "--yes", "shop"), "--table names nothing. Nothing was changed."),
        (("--upload", "", *TO), "--upload names nothing. Nothing was changed."),
        (("--table", "a"), "Say which moment: --to TIME, --to latest, --transaction ID, or"),
        (("--upload", "a", "--to", "noon"), "--to 'noon' is no time."),
        (("--table", "a", *TO, "--yes", "till"), "--yes says till, and the site is shop."),
    ],
)
def test_refused_before_anything_is_asked(
    machines: Machines, words: tuple[str, ...], sentence: str
) -> None:
    done = machines.type(*words)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"restore: {sentence}")
    assert (machines.asked, machines.ran) == ([], [])


def test_site_without_backups(machines: Machines) -> None:
    machines.site.topology["services"]["pgbackrest"] = []
    done = machines.type("--table", "a", *TO)
    assert (done.exit_code, machines.asked) == (2, [])
    assert done.stderr.startswith("restore: hosts.yml has no `backup`")
