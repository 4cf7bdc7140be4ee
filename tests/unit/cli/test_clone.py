"""`espalier clone`: what it refuses, what it asks, and what it leaves. No machine is touched."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from espalier.arriving.report import Report
from espalier.arriving.uploads import Uploads
from espalier.cli import clone
from espalier.cli.command import Environment
from espalier.cli.main import main
from espalier.cloning import source, uploads
from espalier.inventory.site import Site, SiteError
from tests.unit.cli.clones import ANSWER

PROJECT = {"directory": "x", "name": "shop"}
COLUMNS = {"auth_user": ["email", "password"]}
# As pg_dump begins: of the format 1.14, seven integers of a date, no names.
DUMP = b"PGDMP" + bytes([1, 14, 0, 4, 8, 1]) + (b"\0" * 5) * (1 + 7 + 3)
LIVE = {"ok": True, "live": {"id": "r1"}, "quiet": True, "stale": False}


def site(folder: Path, address: str, **project: Any) -> Site:
    services = {
        "postgresql_primary": ["db1"],
        "postgresql_replica": ["db2"],
        "pgbackrest": ["db1", "db2"],
        "pgbackrest_repository": [],
        "restic": ["db1"],
        "django": ["db1"],
    }
    given = PROJECT | project
    variables = {name: {"ansible_host": f"{address}{name[-1]}"} for name in ("db1", "db2")}
    return Site(folder, given["name"], {"services": services}, given, {}, variables)


class World:
    """Two environments of a project, and what is done with them."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Take the place of all that reaches a machine."""
        self.sites: dict[str, Site] = {}
        for number, (name, more) in enumerate(
            {"production": {"anonymise": COLUMNS}, "staging": {"quiet": True}}.items()
        ):
            folder = tmp_path / "deploy" / name
            folder.mkdir(parents=True)
            (folder / "topology.yml").write_text("plugin: topology\n")
            self.sites[name] = site(folder, f"203.0.113.{number}", **more)
        self.statuses: dict[str, Any] = {"db1": dict(LIVE)}
        self.done: list[str] = []
        self.answers: list[str] = []
        self.fails: BaseException | None = None
        self.folder = Path()
        self.dump_mode = 0
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
        monkeypatch.setattr(Environment, "read", lambda one: self.sites[one.name])
        monkeypatch.setattr(clone, "ask_all", lambda site, word: self.statuses)
        monkeypatch.setattr(clone, "reach", self.reach)
        monkeypatch.setattr(source, "export", self.export)
        monkeypatch.setattr(source, "fetch", self.fetch)
        monkeypatch.setattr(uploads, "offered", self.offered)
        monkeypatch.setattr(clone, "bring_in", self.bring_in)

    @contextmanager
    def reach(self, site: Site) -> Iterator[Any]:
        """Reach the machines of a site."""

        def run(machine: str, words: list[str]) -> tuple[int, str, str]:
            self.done.append(f"{site.inventory.name} {machine}: {' '.join(words[-2:])}")
            return 0, "", ""

        yield SimpleNamespace(site=site, run=run)

    def export(self, remote: Any, machine: str, said: Mapping[str, Any]) -> dict[str, Any]:
        """Dump a moment."""
        name = remote.site.inventory.name
        self.done.append(f"{name} {machine}: export {json.dumps(said)}")
        return ANSWER | ({} if "anonymise" in said else {"anonymised": {}})

    def fetch(self, remote: Any, machine: str, answer: Any, into: Path) -> None:
        """Fetch the dump."""
        self.folder = into.parent
        into.write_bytes(DUMP)

    @contextmanager
    def offered(
        self, remote: Any, machine: str, moment: float, display: Any, notes: list[str]
    ) -> Iterator[Uploads]:
        """Offer uploads."""
        name = remote.site.inventory.name
        self.done.append(f"{name} {machine}: uploads {moment}")
        yield Uploads(2, 10, 0, lambda: iter([b"tar"]))
        self.done.append(f"{name} {machine}: end")

    def bring_in(self, site: Site, remote: Any, request: Any, display: Any, log: Any) -> Report:
        """Import it."""
        assert request.dump.path.parent == self.folder
        assert self.folder.stat().st_mode & 0o777 == 0o700
        media = request.media and b"".join(request.media.read())
        self.done.append(f"{site.inventory.name}: import replace={request.replace} {media}")
        if self.fails:
            raise self.fails
        return Report({"public.a": 1}, {"public.a": 1}, "shop_before_1")

    def clone(self, *words: str, answers: str = "") -> Result:
        """Type the command."""
        typed = ["clone", "-e", "production", "--to", "staging", *words]
        return CliRunner().invoke(main, typed, input=answers)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_data_goes_from_the_backups_into_the_other_environment(world: World) -> None:
    done = world.clone("--anonymise", "--yes", "shop")
    assert done.exit_code == 0, done.output
    assert world.done == [
        f'production db2: export {{"latest": true, "anonymise": {json.dumps(COLUMNS)}}}',
        "production db2: -f /var/lib/espalier/database-backup/export-x.dump",
        "staging: import replace=True None",
    ]
    assert not world.folder.exists()
    lines = done.stdout.splitlines()
    assert lines[:6] == [
        "shop of staging would get the data of production, the newest that its backups have.",
        "  from    the backups of production, read on db2",
        "  blanked auth_user: email, password. All else is real",
        "  left    sessions: nobody stays logged in",
        "  left    uploads: nobody anonymises files (--uploads brings them as they are)",
        "  kept    the database of staging that is there now, under another name",
    ]
    assert "From production:" in lines and "To staging:" in lines
    assert lines[-3:] == [
        "The database that was there is kept on db1 as shop_before_1. When you do not need it any "
        "more: `espalier psql -e staging -c 'DROP DATABASE shop_before_1'`.",
        "Blanked: 3 rows of public.auth_user.",
        "Uploads did not come: nobody anonymises files (--uploads brings them as they are). Pages "
        "may name files that are not there.",
    ]


@pytest.mark.parametrize("anonymise", [True, False])
def test_uploads_of_the_same_moment_come_too(world: World, anonymise: bool) -> None:
    done = world.clone(*(["--anonymise", "--uploads"] if anonymise else []), "--yes", "shop")
    assert done.exit_code == 0, done.output
    assert world.done[2:] == [
        "production db1: uploads 1795874580.25",
        "staging: import replace=True b'tar'",
        "production db1: end",
    ]
    lines = done.stdout.splitlines()
    assert lines[4:7] == [
        "  uploads of the same moment, read on db1, as they are",
        "  kept    the database of staging that is there now, under another name",
        "          and uploads of staging; those that others replace, beside them",
    ]
    said = "Uploads are as they were: nobody anonymises files."
    assert lines[-1] == (said if anonymise else "The data of people in staging is real.")


def test_uploads_are_left_out_where_a_person_wants_that(world: World) -> None:
    done = world.clone("--no-uploads", "--yes", "shop")
    assert world.done[-1] == "staging: import replace=True None"
    assert "  left    uploads: by --no-uploads\n" in done.stdout
    assert done.stdout.endswith(
        "Uploads did not come: by --no-uploads. Pages may name files that are not there.\n"
    )


@pytest.mark.parametrize("name", ["production", "staging"])
def test_uploads_in_an_object_store_are_the_stores(world: World, name: str) -> None:
    stored = {**world.sites[name].project, "media_s3": {"bucket": "shop-media"}}
    change(world, name, project=stored)
    reason = (
        f"{name} has them in the bucket shop-media (`media_s3`). Copy them with the store's own "
        "program, such as `aws s3 sync`"
    )
    done = world.clone("--uploads", "--yes", "shop")
    assert (done.exit_code, world.done) == (2, [])
    assert done.stderr == f"clone: --uploads: {reason}. Nothing was changed.\n"
    done = world.clone("--yes", "shop")
    assert done.exit_code == 0
    assert f"  left    uploads: {reason}\n" in done.stdout
    assert world.done[-1] == "staging: import replace=True None"


def test_real_data_is_said_to_be_real(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clone, "is_terminal", lambda: True)
    monkeypatch.setattr("espalier.cli.remove.is_terminal", lambda: True)
    done = world.clone(answers="n\n")
    assert (done.exit_code, world.done) == (2, [])
    assert "data of people goes to staging as it is (--anonymise blanks it)" in done.stdout
    assert "Data of real people goes to staging, with all that is known of them?" in done.stderr
    done = world.clone(answers="y\nstaging\n")
    assert (done.exit_code, world.done) == (2, [])
    done = world.clone(answers="y\nshop\n")
    assert done.exit_code == 0
    assert world.done[0] == 'production db2: export {"latest": true}'
    assert "The data of people in staging is real." in done.stdout


def test_nobody_is_asked_without_a_terminal(world: World) -> None:
    done = world.clone()
    assert (done.exit_code, world.done) == (2, [])
    assert "There is no terminal to ask at: add --yes shop." in done.stderr
    done = world.clone("--yes", "store")
    assert "--yes says store, and the site is shop. Nothing was changed." in done.stderr
    assert (done.exit_code, world.done) == (2, [])


def test_moment_is_that_of_this_computer(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    done = world.clone("--at", "2026-11-28 14:03+00:00", "--yes", "shop")
    assert done.exit_code == 0
    assert world.done[0] == 'production db2: export {"to": 1795874580.0}'
    done = world.clone("--at", "yesterday", "--yes", "shop")
    assert "--at 'yesterday' is no time. Write one such as" in done.stderr


@pytest.mark.parametrize("error", [SiteError("it failed"), KeyboardInterrupt()])
def test_dump_is_removed_where_the_import_fails(world: World, error: BaseException) -> None:
    world.fails = error
    done = world.clone("--yes", "shop")
    assert done.exit_code in (1, 130)
    assert world.folder != Path()
    assert not world.folder.exists()


def test_ctrl_c_while_the_dump_comes_leaves_none_anywhere(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def fetch(remote: Any, machine: str, answer: Any, into: Path) -> None:
        world.fetch(remote, machine, answer, into)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(source, "fetch", fetch)
    done = world.clone("--yes", "shop")
    signal.signal(signal.SIGINT, before)
    assert (done.exit_code, done.stderr) == (130, "clone: Interrupted. Nothing was changed.\n")
    assert world.done[-1].endswith("db2: -f /var/lib/espalier/database-backup/export-x.dump")
    assert not world.folder.exists()


def change(world: World, environment: str, **changes: Any) -> None:
    """Have an inventory say something else."""
    before = world.sites[environment]
    values = {one: getattr(before, one) for one in ("inventory", "name", "topology", "project")}
    values |= {"requirements": {}, "variables": before.variables}
    world.sites[environment] = Site(**(values | changes))


REFUSALS = {
    "itself": "production is where the data comes from: name another environment with --to.",
    "machine": "production and staging have the same machine for their database, 203.0.113.01: it "
    "would be cloned onto itself.",
    "project": "production is the site shop, and staging is store: data is cloned between "
    "environments of one project.",
    "backup": "hosts.yml of production has no `backup`: there is nothing to clone from.",
    "columns": "project.yml of production does not say which columns are about people: write for "
    "example `anonymise: {auth_user: [email, first_name, last_name, password]}` there.",
    "quiet": "project.yml of staging has no `quiet: true`: the site would send mail to the people "
    "in the data, and run its scheduled commands with it. Write that, and run `espalier site -e "
    "staging`. If the site is to do so, add --loud.",
    "live": "No release is live on db1 yet: run `espalier site -e staging` first.",
    "loud": "The live release of staging is not quiet yet on db1: run `espalier site -e staging` "
    "first.",
    "stale": "The live release of staging is not quiet yet on db1: run `espalier site -e staging` "
    "first.",
}


@pytest.mark.parametrize("why", REFUSALS)
def test_what_is_refused(world: World, why: str) -> None:
    production = world.sites["production"]
    services = {**production.topology["services"], "pgbackrest": []}
    match why:
        case "machine":
            change(world, "staging", variables=production.variables)
        case "project":
            change(world, "staging", name="store")
        case "backup":
            change(world, "production", topology={"services": services})
        case "columns":
            change(world, "production", project=PROJECT)
        case "quiet":
            change(world, "staging", project=PROJECT)
        case "live":
            world.statuses["db1"]["live"] = None
        case "loud":
            world.statuses["db1"]["quiet"] = False
        case "stale":
            world.statuses["db1"]["stale"] = True
    to = ["--to", "production"] if why == "itself" else []
    done = world.clone("--anonymise", "--yes", "shop", *to)
    assert done.stderr == f"clone: {REFUSALS[why]} Nothing was changed.\n"
    assert (done.exit_code, world.done) == (2, [])


def test_machines_behind_two_gateways_may_have_one_address(world: World) -> None:
    ways = {
        "production": {"ansible_ssh_common_args": "-J a.example"},
        "staging": {"ansible_ssh_common_args": "-J b.example"},
    }
    for name, way in ways.items():
        change(world, name, variables={"db1": {"ansible_host": "10.0.0.1", **way}})
    assert world.clone("--yes", "shop").exit_code == 0


@pytest.mark.parametrize("stated", [True, False])
def test_loud_destination_is_taken_where_a_person_wants_that(world: World, stated: bool) -> None:
    if not stated:
        change(world, "staging", project=PROJECT)
    world.statuses["db1"] |= {"quiet": False, "stale": True}
    assert world.clone("--loud", "--yes", "shop").exit_code == 0
    world.statuses["db1"] = {"ok": False, "error": "no route"}
    done = world.clone("--loud", "--yes", "shop")
    assert (done.exit_code, done.stderr) == (1, "clone: db1: no route\n")
