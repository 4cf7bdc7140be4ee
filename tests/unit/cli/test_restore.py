"""espalier restore: what it asks, whom it closes, what it runs. No machine is touched."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from espalier.cli import command, remove, restore
from espalier.cli.main import main
from espalier.inventory.site import Site, SiteError
from espalier.progress.playbook import Playbook
from espalier.restoring import drills
from espalier.restoring.ask import NotThere
from espalier.restoring.moment import of_uploads

AT = 1796040180.0  # 2026-11-30 12:03:00 UTC
TARGET = {"kind": "time", "time": AT, "what": "as it was then", "backup": "20261130-023000F"}
PLAN = {
    "ok": True,
    "target": TARGET,
    "bytes": 23_000_000,
    "free": 30_000_000_000,
    "lost": 5400.0,
    "aside": True,
    "backup_ended": AT - 34200,
}
UPLOADS = {
    "ok": True,
    "files": 1200,
    "fetched": 2,
    "fetched_bytes": 9_000_000,
    "free": 20_000_000_000,
    "enough": True,
    "aside": 3,
    "before": {"id": "a1b2c3d4", "time": "2026-11-30T12:02:00+00:00"},
    "after": {"id": "e5f60718", "time": "2026-11-30T12:04:00+00:00"},
    "behind": 0,
    "ahead": 0,
    "uncertain": 0,
}
ASIDE = "/var/lib/postgresql/17/replaced-20261130-120500"


class Machines:
    """What the machines of a site answer, and what they were told."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have a site of two web machines, one of them closed already."""
        self.folder = folder
        names = ["web1", "web2"]
        services = {"pgbackrest": ["db1"], "postgresql_primary": ["db1"], "nginx": names}
        services |= {"restic": ["web1"], "restic_repository": ["keeper"]}
        services["pgbackrest_repository"] = ["keeper"]
        self.site = Site(folder, "shop", {"services": services}, {}, {}, {})
        self.closed = {"web1": False, "web2": True}
        self.told: list[str] = []
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.played: list[Playbook] = []
        self.statuses = {"restore.yml": 0, "prepare_restore.yml": 0}
        self.is_new = False
        self.silent: set[str] = set()
        self.restored = {"aside": ASIDE}
        self.uploads: dict[str, Any] = UPLOADS
        monkeypatch.setattr(command, "read", lambda *given, **more: self.site)
        monkeypatch.setattr(restore, "reach", lambda site: nullcontext(self))
        self.drills: dict[str, dict[str, Any]] = {}
        monkeypatch.setattr(restore, "ask", self.ask)
        monkeypatch.setattr(drills, "ask", self.report)
        monkeypatch.setattr(restore, "watch", self.play)
        monkeypatch.setattr(remove, "is_terminal", lambda: True)

    def run(self, machine: str, words: list[str]) -> tuple[int, str, str]:
        """Open or close a web machine, stop or start its copies of uploads."""
        if words[0] == "uploads-backup":
            self.asked.append((machine, "uploads", words[-1]))
            return 127 * self.is_new, json.dumps(self.uploads), ""
        if words[0] == "sh":
            action = "stop" if "systemctl stop" in words[2] else "start"
            self.told.append(f"{machine} {action} copies")
            return (255, "", "ssh: no route\n") if action in self.silent else (0, "", "")
        self.told.append(f"{machine} {words[1]}")
        if words[1] in self.silent:
            return 255, "", "ssh: no route\n"
        if words[1] == "status":
            return 0, "/ is closed\n" if self.closed[machine] else "everything is open\n", ""
        self.closed[machine] = words[1] == "on"
        return 0, "", ""

    def ask(self, remote: Any, machine: str, action: str, said: Any) -> dict[str, Any]:
        """Answer as `database-backup` does."""
        self.asked.append((machine, action, said))
        if self.is_new:
            raise NotThere(f"{machine} has no program database-backup yet.")
        if action == "status":
            if "program" in self.silent:
                raise SiteError("db1: no route")
            return {"ok": True, "restored": self.restored}
        return PLAN

    def report(self, remote: Any, machine: str, action: str, said: Any) -> dict[str, Any]:
        """Answer what the last drill there has proven; one without is of a version before."""
        assert (action, said) == ("report", {})
        if machine not in self.drills:
            raise SiteError("database-backup: error: argument action: invalid choice: 'report'")
        return {"ok": True, "drill": self.drills[machine]}

    def play(self, playbook: Playbook, verbosity: int) -> int:
        """Run a playbook."""
        self.played.append(playbook)
        self.told.append(playbook.path.name)
        self.is_new = False
        return self.statuses[playbook.path.name]

    def type(self, *words: str, answer: str = "") -> Any:
        """Type the command."""
        return CliRunner().invoke(main, ["restore", "-i", str(self.folder), *words], input=answer)


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, utc: None) -> Machines:
    """The machines, and a computer whose clock is UTC."""
    return Machines(tmp_path, monkeypatch)


SAID = [
    "shop on db1 would become as it was then.",
    "  moment  2026-11-30 12:03:00 UTC",
    "  lost    what was written in the 90 minutes since then",
    "  from    the backup of 2026-11-30 02:33:00 UTC (20261130-023000F), and the WAL since then",
    "  space   23 MB of the 30.0 GB that are free",
    "  kept    the database that is there now, under another name beside it",
    "  uploads 1200 files on web1: 2 to bring back (9 MB of the 20.0 GB that are free), 3 on the "
    "disk to set aside",
    "          by the copies of 2026-11-30 12:02:00 UTC and 2026-11-30 12:04:00 UTC",
]
TO = ("--to", "2026-11-30 12:03")
CLOSED_BEFORE = "web2 was closed before, and stays closed: espalier maintenance off"
KEPT = (
    f"The database that was there is kept on db1 in {ASIDE}. When you do not need it any more, "
    "delete that directory."
)


def test_moment_comes_back_while_the_site_is_closed(machines: Machines) -> None:
    done = machines.type(*TO, "--yes", "shop")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [*SAID, CLOSED_BEFORE, KEPT]
    uploads = ("web1", "uploads", "2026-11-30T12:03:00+00:00")
    assert machines.asked == [("db1", "plan", {"to": AT}), uploads, ("db1", "status", {})]
    # The one that somebody has closed before stays closed.
    assert machines.told == [
        *("web1 status", "web1 on", "web2 status"),
        # A first copy of uploads may work for hours.
        *("web1 stop copies", "keeper stop copies"),
        "restore.yml",
        *("web1 start copies", "keeper start copies", "web1 off"),
    ]
    (playbook,) = machines.played
    assert json.loads(playbook.arguments[-1]) == {
        "restore": {"target": TARGET, "uploads": "2026-11-30T12:03:00+00:00"}
    }
    assert playbook.again == f"espalier restore --to '2026-11-30 12:03' -i {machines.folder}"


def test_plan_changes_nothing(machines: Machines) -> None:
    done = machines.type("--to", "latest", "--plan")
    assert (done.exit_code, done.stdout.splitlines()) == (0, SAID)
    assert machines.told == []
    assert [action for _, action, _ in machines.asked] == ["plan", "uploads"]


def test_plan_says_how_long_the_last_drill_took_wherever_it_was(machines: Machines) -> None:
    drill = {"ok": True, "ended": AT, "rto_seconds": 125.0, "bytes": 23_000_000}
    machines.drills = {"keeper": drill, "db1": {**drill, "ended": AT - 86400 * 30}}
    said = (
        "  time    the last drill took 2 minutes for 23 MB, on keeper; migrations and uploads come"
    )
    done = machines.type("--to", "latest", "--plan")
    assert done.stdout.splitlines() == [*SAID[:-2], f"{said} in addition", *SAID[-2:]]
    # One that failed says nothing of it, and one that there never was neither.
    machines.drills = {"keeper": {**drill, "ok": False}, "db1": {}}
    assert machines.type("--to", "latest", "--plan").stdout.splitlines() == SAID


def test_site_s_name_is_typed(machines: Machines) -> None:
    done = machines.type(*TO, answer="shop\n")
    assert (done.exit_code, machines.played[0].path.name) == (0, "restore.yml")


@pytest.mark.parametrize(
    ("words", "answer", "sentence"),
    [
        ((), "", "Say which moment: --to TIME, --to latest, --transaction ID, or --before STATE"),
        ((*TO, "--yes", "till"), "", "--yes says till, and the site is shop. Nothing was changed."),
        (TO, "till\n", "That is not the site's name. Nothing was changed."),
        (("--to", "noon"), "", "--to 'noon' is no time. Write one such as `2026-11-28 14:03`, "),
    ],
)
def test_refused_before_anything_is_done(
    machines: Machines, words: tuple[str, ...], answer: str, sentence: str
) -> None:
    done = machines.type(*words, answer=answer)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1].startswith(f"restore: {sentence}")
    assert machines.told == []


def test_site_without_backups(machines: Machines) -> None:
    machines.site.topology["services"]["pgbackrest"] = []
    done = machines.type(*TO, "--yes", "shop")
    assert (done.exit_code, done.stderr) == (
        2,
        "restore: hosts.yml has no `backup`: there is nothing to restore from.\n",
    )


def test_new_machine_is_prepared_first_and_those_that_are_left_are_closed(
    machines: Machines,
) -> None:
    machines.is_new, machines.restored = True, {"aside": ""}
    done = machines.type("--to", "latest", "--yes", "shop")
    assert done.exit_code == 0
    said = ["db1 is new: it is prepared first.", *SAID, CLOSED_BEFORE]
    assert done.stdout.splitlines() == said
    states = ["web1 status", "web1 on", "web2 status"]
    told = [one for one in machines.told if "copies" not in one]
    assert told == ["prepare_restore.yml", *states, "restore.yml", "web1 off"]
    assert json.loads(machines.played[0].arguments[-1]) == {"restore": {}}


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (
            {"ok": False, "error": "There is no backup of the uploads of shop yet."},
            "The uploads on web1 cannot be brought back: There is no backup of the uploads of shop "
            "yet. ",
        ),
        (
            {**UPLOADS, "enough": False, "free": 5_000_000},
            "The disk of the uploads on web1 has 5 MB free, and 9 MB come back beside what is there"
            ", which is kept. Make room, or give it a larger disk. ",
        ),
    ],
)
def test_uploads_that_cannot_come_back_are_told_before_anything_is_done(
    machines: Machines, answer: dict[str, Any], sentence: str
) -> None:
    machines.uploads = answer
    done = machines.type(*TO, "--yes", "shop")
    alone = "`--without-uploads` brings back the database alone. Nothing was changed."
    assert (done.exit_code, done.stderr) == (2, f"restore: {sentence}{alone}\n")
    assert (machines.told, machines.played) == ([], [])
    # Who wants the database all the same says so.
    done = machines.type(*TO, "--without-uploads", "--yes", "shop")
    assert (done.exit_code, done.stdout.splitlines()[: len(SAID) - 2]) == (0, SAID[:-2])
    (playbook,) = machines.played
    assert json.loads(playbook.arguments[-1])["restore"]["uploads"] == ""
    assert "--to '2026-11-30 12:03' --without-uploads" in playbook.again


def test_new_machine_that_cannot_be_prepared(machines: Machines) -> None:
    machines.is_new = True
    machines.statuses["prepare_restore.yml"] = 3
    assert machines.type("--to", "latest", "--yes", "shop").exit_code == 3
    assert machines.told == ["prepare_restore.yml"]


def test_site_opens_again_where_the_restore_fails(machines: Machines) -> None:
    machines.statuses["restore.yml"] = 4
    done = machines.type(*TO, "--yes", "shop")
    assert done.exit_code == 4
    assert machines.told[-4:] == [
        *("restore.yml", "web1 start copies", "keeper start copies", "web1 off")
    ]
    assert KEPT not in done.output


def test_restore_that_failed_is_told_by_its_own_status(machines: Machines) -> None:
    machines.statuses["restore.yml"] = 4
    machines.silent = {"program"}
    done = machines.type(*TO, "--yes", "shop")
    assert (done.exit_code, done.stderr) == (4, "")


def test_web_machine_that_does_not_answer_stops_it(machines: Machines) -> None:
    machines.silent = {"status"}
    done = machines.type(*TO, "--yes", "shop")
    assert (done.exit_code, done.stderr) == (
        1,
        "restore: web1 cannot be closed for maintenance: ssh: no route. The database is left as it "
        "is.\nssh: no route\n",
    )
    assert machines.played == []


def test_copies_that_cannot_be_stopped_stop_it(machines: Machines) -> None:
    machines.silent = {"stop"}
    done = machines.type(*TO, "--yes", "shop")
    assert (done.exit_code, machines.played) == (1, [])
    assert done.stderr.startswith(
        "restore: web1: copies of uploads cannot be stopped: ssh: no route. The database is left"
    )
    assert machines.told[-1] == "web1 off"


def test_copies_that_stand_still_are_told(machines: Machines) -> None:
    machines.silent = {"start"}
    done = machines.type(*TO, "--yes", "shop")
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (
        0,
        "keeper: copies of uploads may stand still (ssh: no route): `espalier site` starts them.",
    )


def test_web_machine_that_stays_closed_is_told(machines: Machines) -> None:
    machines.silent = {"off"}
    done = machines.type(*TO, "--yes", "shop")
    assert (done.exit_code, done.stderr) == (
        0,
        "web1 is still closed (ssh: no route): `espalier maintenance off`.\n",
    )


@pytest.mark.parametrize(
    ("words", "again"),
    [
        (("--to", "latest"), "--to latest"),
        (("--transaction", "770"), "--transaction 770"),
        (("--before", "DROP TABLE"), "--before 'DROP TABLE'"),
    ],
)
def test_what_is_to_be_typed_again_names_the_moment(
    machines: Machines, words: tuple[str, ...], again: str
) -> None:
    assert machines.type(*words, "--yes", "shop").exit_code == 0
    assert machines.played[0].again == f"espalier restore {again} -i {machines.folder}"


@pytest.mark.parametrize(
    ("target", "moment"),
    [
        ({"kind": "time", "time": AT}, "2026-11-30T12:03:00+00:00"),
        # Uploads know no transactions: theirs is the time at which it ended.
        ({"kind": "xid", "time": AT + 0.25}, "2026-11-30T12:03:00.250000+00:00"),
        # Of all that there is, the time is only that of the question.
        ({"kind": "default", "time": AT}, "latest"),
    ],
)
def test_moment_of_the_uploads_is_that_of_the_database(target: Any, moment: str) -> None:
    assert of_uploads(target) == moment
