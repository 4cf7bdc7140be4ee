"""espalier backups: what there is to restore from, per machine, and the worst of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from espalier.cli import backups, command
from espalier.cli.main import main
from espalier.inventory.site import Site, SiteError
from espalier.paths import KIT

INVENTORY = str(KIT / "inventories/example")
NOW = 1796040180.0  # 2026-11-30 12:03:00 UTC
FULL = {"kind": "full", "ended": NOW - 3 * 86400, "size": 23_000_000, "stored": 2_800_000}
DIFF = {"kind": "diff", "ended": NOW - 7200, "size": 24_000_000, "stored": 2_900_000}
WELL: dict[str, Any] = {
    "ok": True,
    "part": "primary",
    "destination": "s3://shop-backups/shop/production at s3.example.com",
    "colour": "green",
    "findings": [],
    "backups": [FULL, DIFF],
    "archiving": {"archived": NOW - 20, "waiting": 16_777_216, "bound": 5_000_000_000},
    "drill": {"ok": True, "ended": NOW - 3600, "rows": 7000, "rto_seconds": 75.0},
    "next": "Tue 2026-12-01 02:30:00 UTC",
    "now": NOW,
}
RED = {
    **WELL,
    "colour": "red",
    "findings": [
        {"colour": "red", "sentence": "the newest backup is 3 days old"},
        {"colour": "amber", "sentence": "no restore is proven yet: the first drill is tonight"},
    ],
}
AMBER = {**WELL, "colour": "amber", "findings": RED["findings"][1:]}
SILENT = {"ok": False, "error": "no route"}
COPIED: dict[str, Any] = {
    "ok": True,
    "repository": "s3:https://s3.example.com/shop-backups/shop/production/uploads",
    "uploads": "/var/lib/shop/media",
    "snapshot": {"time": "2026-11-30T12:02:00+00:00", "files": 1200, "bytes": 84_000_000},
    "age": 60,
    "changed": False,
    "unsaved": 0,
    "timers": {"espalier-uploads-backup.timer": True},
    "error": "",
    "failing_since": None,
    "forgot": None,
}
FIRST = {**COPIED, "snapshot": None, "age": None, "unsaved": None}
S3 = {**FIRST, "repository": "", "uploads": "s3", "unsaved": 0}
UNCOPIED = {**COPIED, "ok": False, "error": "There is no room left: quota"}
REPLICA = {**WELL, "part": "replica", "archiving": None, "drill": {}, "next": ""}


pytestmark = pytest.mark.usefixtures("utc")


def run(
    monkeypatch: pytest.MonkeyPatch,
    answers: dict[str, Any],
    *words: str,
    keeper: tuple[str, ...] = (),
    uploads: dict[str, Any] | None = None,
) -> tuple[int, str]:
    """Run the command on machines that answer so; gives its exit status and its output."""
    databases = [name for name in answers if name not in keeper]
    copies = uploads or {}
    services = {
        "pgbackrest": databases,
        "pgbackrest_repository": list(keeper),
        "restic": [name for name in copies if name not in keeper],
        "restic_repository": [name for name in copies if name in keeper],
    }
    site = Site(Path("/x"), "shop", {"services": services}, {}, {}, {})
    monkeypatch.setattr(command, "read", lambda *given, **more: site)

    def ask(asked: Site, *programs: dict[str, list[str]]) -> list[dict[str, Any]]:
        assert programs == (
            {one: ["database-backup", "status", "--json"] for one in answers},
            {one: ["uploads-backup", "status", "--json"] for one in copies},
        )
        return [answers, copies]

    monkeypatch.setattr(backups, "ask_programs", ask)
    done = CliRunner().invoke(main, ["backups", "-i", INVENTORY, *words])
    assert done.stderr == "", done.output
    return done.exit_code, done.stdout


def test_all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    status, output = run(monkeypatch, {"vps1": WELL})
    assert output.splitlines() == [
        "vps1 (primary), s3://shop-backups/shop/production at s3.example.com",
        "  full    2026-11-27 12:03:00 UTC      3 days ago, 23 MB, 3 MB stored",
        "  newest  2026-11-30 10:03:00 UTC      2 hours ago, 24 MB, 3 MB stored",
        "  WAL     2026-11-30 12:02:40 UTC      17 MB of 5.0 GB wait",
        "  drill   2026-11-30 11:03:00 UTC      7000 rows, back after 75 seconds",
        "  next    Tue 2026-12-01 02:30:00 UTC  backup",
        "green",
    ]
    assert status == 0


DRILLS = [
    {"ok": True, "rto_seconds": 60.0 + number, "age_seconds": 20.0, "bytes": 2e7, "rows": 7000}
    for number in range(10)
]
PROVEN: dict[str, Any] = {
    **WELL,
    "drill": {**WELL["drill"], "compared": 12, "newest_commit": NOW - 3700, "age_seconds": 20.0}
    | {"tables": 12, "bytes": 24_000_000, "seconds": 90.0, "fetch_seconds": 60.0},
    "drills": DRILLS,
    "next_drill": "Tue 2026-12-01 03:30:00 UTC",
}


def test_what_was_measured_is_told_with_its_trend(monkeypatch: pytest.MonkeyPatch) -> None:
    status, output = run(monkeypatch, {"vps1": PROVEN})
    assert [" ".join(line.split()) for line in output.splitlines()[4:]] == [
        "drill 2026-11-30 11:03:00 UTC 7000 rows, 12 tables as on the site, back after 75 "
        "seconds, the newest 20 seconds old",
        "trend 7 drills back after 66 seconds, 20 MB",
        "10 drills back after 64 seconds, 20 MB",
        "next Tue 2026-12-01 02:30:00 UTC backup",
        "Tue 2026-12-01 03:30:00 UTC drill",
        "green",
    ]
    assert status == 0


def test_page_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "backups.html"
    copies = {"vps1": COPIED}
    known = run(monkeypatch, {"vps1": PROVEN}, uploads=copies)
    # Neither what is told nor the status is another one.
    assert run(monkeypatch, {"vps1": PROVEN}, "--page", str(file), uploads=copies) == known
    text = file.read_text()
    assert text.startswith("<!doctype html>")
    assert "75 seconds" in text and "<polyline" in text and "1200 files" in text


def test_page_that_cannot_be_written_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(SiteError, match="cannot be written: No such file or directory"):
        backups.write(tmp_path / "nowhere/backups.html", "")


def test_nothing_is_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    finding = {"colour": "amber", "sentence": "the first backup is being made"}
    first = {**AMBER, "findings": [finding], "backups": [], "drill": {}, "next": ""}
    first["archiving"] = {"archived": 0, "waiting": 0, "bound": 10**9}
    assert run(monkeypatch, {"vps1": first}) == (
        1,
        "vps1 (primary), s3://shop-backups/shop/production at s3.example.com\n"
        "  WAL  nothing yet  0 MB of 1.0 GB wait\n"
        "  amber: the first backup is being made\n"
        "amber\n",
    )


def test_drill_that_failed_has_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = {**RED, "drill": {"ok": False, "error": "no", "ended": NOW}}
    assert "drill " not in run(monkeypatch, {"vps1": failed})[1].replace("first drill", "")


@pytest.mark.parametrize(
    ("answers", "colour"),
    [
        ({"vps1": WELL, "db2": REPLICA}, "green"),
        ({"vps1": WELL, "db2": {**REPLICA, "colour": "amber"}}, "amber"),
        ({"vps1": AMBER, "db2": RED}, "red"),
        # Nobody knows how it is there.
        ({"vps1": WELL, "db2": SILENT}, "red"),
    ],
)
def test_the_worst_machine_decides(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any], colour: str
) -> None:
    status, output = run(monkeypatch, answers)
    assert (status, output.splitlines()[-1]) == (0 if colour == "green" else 1, colour)
    status, output = run(monkeypatch, answers, "--json")
    assert (status, json.loads(output)) == (
        0 if colour == "green" else 1,
        {"colour": colour, "machines": answers, "uploads": {}},
    )


def test_findings_and_a_machine_that_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    status, output = run(monkeypatch, {"vps1": RED, "keeper": SILENT}, keeper=("keeper",))
    assert output.splitlines()[-4:] == [
        "  red: the newest backup is 3 days old",
        "  amber: no restore is proven yet: the first drill is tonight",
        "keeper: no route",
        "red",
    ]
    assert status == 1


def test_copies_of_uploads_are_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {**S3, "repository": "/srv/backups/shop/uploads", "uploads": ""}
    status, output = run(
        monkeypatch,
        {"vps1": WELL, "keeper": WELL},
        keeper=("keeper",),
        uploads={"web1": COPIED, "keeper": kept},
    )
    assert output.splitlines()[-4:] == [
        "web1 (uploads), s3:https://s3.example.com/shop-backups/shop/production/uploads",
        "  uploads  2026-11-30 12:02:00 UTC  60 seconds ago, 1200 files, 84 MB",
        "keeper (uploads), /srv/backups/shop/uploads",
        "green",
    ]
    assert status == 0


@pytest.mark.parametrize(
    ("uploads", "lines", "colour"),
    [
        (
            S3,
            ["web1 (uploads), in an object store, which keeps versions: no sample of it is drawn"],
            "green",
        ),
        (
            FIRST,
            [
                "web1 (uploads), s3:https://s3.example.com/shop-backups/shop/production/uploads",
                "  amber: the first copy of uploads is being made",
            ],
            "amber",
        ),
        (
            UNCOPIED,
            [
                "web1 (uploads), s3:https://s3.example.com/shop-backups/shop/production/uploads",
                "  uploads  2026-11-30 12:02:00 UTC  60 seconds ago, 1200 files, 84 MB",
                "  red: uploads are not copied: There is no room left: quota",
            ],
            "red",
        ),
        (SILENT, ["web1: no route"], "red"),
    ],
)
def test_copies_of_uploads_decide_too(
    monkeypatch: pytest.MonkeyPatch, uploads: dict[str, Any], lines: list[str], colour: str
) -> None:
    status, output = run(monkeypatch, {"vps1": WELL}, uploads={"web1": uploads})
    assert output.splitlines()[6:] == [*lines, colour]
    assert status == (0 if colour == "green" else 1)
    output = run(monkeypatch, {"vps1": WELL}, "--json", uploads={"web1": uploads})[1]
    assert json.loads(output)["colour"] == colour
    assert json.loads(output)["uploads"]["web1"]["colour"] == colour


def test_site_without_backups_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, {}) == (
        1,
        "Nothing is copied anywhere: hosts.yml has no `backup`, such as `backup: {to: s3, bucket: "
        "shop-backups, endpoint: s3.eu-central-1.amazonaws.com}`.\n",
    )
    status, output = run(monkeypatch, {}, "--json")
    assert (status, json.loads(output)) == (1, {"colour": "red", "machines": {}})


@pytest.mark.parametrize(
    ("answers", "copies", "line"),
    [
        ({"vps1": WELL}, {}, "backups green: a restore was proven at 2026-11-30 11:03:00 UTC"),
        (
            {"vps1": WELL},
            {"vps1": COPIED},
            "backups green: a restore was proven at 2026-11-30 11:03:00 UTC",
        ),
        ({"vps1": RED}, {}, "backups red: vps1: the newest backup is 3 days old"),
        (
            {"vps1": WELL},
            {"vps1": FIRST, "web1": UNCOPIED, "web2": SILENT},
            "backups red: vps1: the first copy of uploads is being made; web1: uploads are not "
            "copied: There is no room left: quota; web2: no route",
        ),
        (
            {"vps1": WELL, "db2": AMBER, "keeper": SILENT},
            {},
            "backups red: db2: no restore is proven yet: the first drill is tonight; "
            "keeper: no route",
        ),
        (
            {},
            {},
            "Nothing is copied anywhere: hosts.yml has no `backup`, such as `backup: {to: s3, "
            "bucket: shop-backups, endpoint: s3.eu-central-1.amazonaws.com}`.",
        ),
    ],
)
def test_line_of_the_status(answers: dict[str, Any], copies: dict[str, Any], line: str) -> None:
    assert backups.state_line(answers, copies) == line
