"""`espalier import`: where the password comes from, and the way back. No machine is touched."""

from __future__ import annotations

import io
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from espalier.arriving.dumpfile import DumpFile
from espalier.arriving.live import LiveRelease
from espalier.arriving.order import Import, Request
from espalier.arriving.report import Report
from espalier.cli import import_site
from espalier.cli.command import Environment
from espalier.cli.main import main
from espalier.inventory.site import SiteError
from espalier.rollout.display import Display
from espalier.rollout.guard import Guard
from espalier.rollout.lock import LockError, SiteLock

URL = "postgres://me:secret@db.example.com/shop"


def test_password_in_an_argument_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SiteError, match="every user of this machine sees") as refused:
        import_site._source(URL)
    assert "secret" not in str(refused.value)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{URL}\n"))
    assert import_site._source("-").password == "secret"


def test_password_comes_from_the_environment_of_libpq(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "known")
    assert import_site._source("postgres://me@db.example.com/shop").password == "known"


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Have Ctrl-C as at a terminal: a job in the background begins with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Fake(Import):
    """An import whose machines only note what they are asked."""

    def __init__(self, before: Mapping[str, int], after: Mapping[str, int], fails: str) -> None:
        """Take the rows of the dump and of what was loaded, and what fails on the machines."""
        site = SimpleNamespace(
            name="shop",
            project={},
            app_machines=["app1"],
            machines=lambda service: {"postgresql_primary": ["db1"]}.get(service, []),
        )
        dump = DumpFile(Path(__file__), "sql", "15.3", "15.3")
        super().__init__(site, SimpleNamespace(), Request(dump=dump), Display(None))  # type: ignore[arg-type]
        self.asked: list[str] = []
        self.answers: dict[str, Any] = {
            "look": {
                "version": {"name": "15.3"},
                "extensions": [],
                "rows": {},
                "free": 10**9,
            },
            "inspect": {"extensions": [], "left_out": [], "rows": before},
            "load": {"rows": after, "of_extensions": ["public.spatial_ref_sys"]},
        }
        self.fails = fails
        self.remote.run = lambda machine, words: (0, "", "")  # type: ignore[method-assign]
        self.live.release = self._release  # type: ignore[method-assign]
        self.primary = SimpleNamespace(  # type: ignore[assignment]
            prepared=self._prepared,
            store=lambda name, content: None,
            ask=self._ask,
            is_clean=True,
        )

    def _ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        self.asked.append(
            " ".join([command, *(str(arguments[n]) for n in ("new",) if n in arguments)])
        )
        return self.answers.get(command, {})

    def _release(
        self, machine: str, arguments: list[str], tokens: Mapping[str, str]
    ) -> dict[str, Any]:
        self.asked.append(arguments[0])
        if arguments[0] == self.fails:
            raise SiteError("it failed")
        return {"live": {"id": "r1"}}

    @contextmanager
    def _prepared(self) -> Iterator[None]:
        yield

    @contextmanager
    def _locked(self) -> Iterator[Guard]:
        self.asked.append("lock")
        yield Guard(SiteLock(), lambda machine, token="": pytest.fail("it is held"), self.display)


def test_databases_are_exchanged_once_the_rows_are_the_same() -> None:
    work = Fake({"public.a": 2}, {"public.a": 2, "public.b": 0}, fails="")
    assert work.run().database_aside.startswith("shop_before_")
    assert work.asked == [
        *("lock", "status", "look shop_import", "inspect", "load", "swap shop_import"),
        *("status", "migrate", "restart"),
    ]


def test_rows_of_extensions_are_not_compared() -> None:
    work = Fake({"public.a": 2, "public.spatial_ref_sys": 1}, {"public.a": 2}, fails="")
    assert work.run().before == {"public.a": 2}


def test_rows_that_are_missing_leave_the_site_as_it_was() -> None:
    work = Fake({"public.a": 2}, {"public.a": 1}, fails="")
    with pytest.raises(SiteError, match=r"public\.a are not as many") as refused:
        work.run()
    assert "a      2            1      differs" in refused.value.detail
    assert work.asked == ["lock", "status", "look shop_import", "inspect", "load", "drop"]


def test_database_of_before_comes_back_where_migrations_fail() -> None:
    work = Fake({"public.a": 2}, {"public.a": 2}, fails="migrate")
    with pytest.raises(SiteError, match="it failed"):
        work.run()
    assert work.asked[-3:-1] == ["status", "migrate"]
    assert work.asked[-1].startswith("swap shop_before_")


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_while_databases_are_exchanged_ends_nothing() -> None:
    work = Fake({"public.a": 2}, {"public.a": 2}, fails="")
    ask = work.primary.ask

    def press(command: str, **arguments: Any) -> dict[str, Any]:
        if command == "swap":
            os.kill(os.getpid(), signal.SIGINT)
        return ask(command, **arguments)

    work.primary.ask = press  # type: ignore[method-assign]
    assert work.run().database_aside.startswith("shop_before_")
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_interrupts_an_import_once() -> None:
    with pytest.raises(KeyboardInterrupt), import_site.interrupted_once():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        finally:
            os.kill(os.getpid(), signal.SIGINT)  # on the way back
            way_back = "gone to its end"
    assert way_back
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_leaves_no_database_that_is_not_migrated() -> None:
    work = Fake({"public.a": 2}, {"public.a": 2}, fails="")
    machines = {"postgresql_primary": ["db1"], "postgresql_replica": ["db2"]}
    work.site.machines = lambda service: machines.get(service, [])  # type: ignore[method-assign, assignment]
    ask, was = work._ask, list[object]()

    def interrupted_ask(command: str, **arguments: Any) -> dict[str, Any]:
        if command == "swap":
            was.append(subprocess.run(["sh", "-c", "kill -INT $$"]).returncode)  # ssh as well
            os.kill(os.getpid(), signal.SIGINT)
        return ask(command, **arguments)

    def interrupted_run(machine: str, words: list[str]) -> tuple[int, str, str]:
        raise KeyboardInterrupt

    work.primary.ask = interrupted_ask  # type: ignore[method-assign, assignment]
    work.remote.run = interrupted_run  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        work.run()
    assert was == [0, 0]
    assert work.asked[-2] == "swap shop_import"
    assert work.asked[-1].startswith("swap shop_before_")


def test_import_that_does_not_get_the_lock_has_touched_nothing() -> None:
    work = Fake({"public.a": 2}, {"public.a": 2}, fails="")

    @contextmanager
    def locked() -> Iterator[Guard]:
        raise LockError("app1", "another release is running", 3)
        yield

    work._locked = locked  # type: ignore[method-assign]
    with pytest.raises(SiteError) as refused:
        work.run()
    assert (refused.value.status, work.asked) == (3, [])


def test_aftermath_says_what_is_not_as_it_was() -> None:
    work = Fake({"public.a": 2}, {"public.a": 2}, fails="migrate")
    with pytest.raises(SiteError):
        work.run()
    kept = work.aftermath()
    assert kept.startswith("The site is as it was. The imported database is kept as shop_imported_")
    work.primary.is_clean = False
    assert "maybe the database shop_import, are still there" in work.aftermath()


def test_site_that_stays_closed_is_said_to_be() -> None:
    def run(machine: str, words: list[str]) -> tuple[int, str, str]:
        return (255, "", "no route") if "off" in words else (0, "/ is open", "")

    work = Fake({"public.a": 2}, {"public.a": 1}, fails="")
    machines = {"postgresql_primary": ["db1"], "nginx": ["web1", "web2"]}
    work.site.machines = lambda service: machines.get(service, [])  # type: ignore[method-assign, assignment]
    work.remote.run = run  # type: ignore[method-assign]
    with pytest.raises(SiteError, match="not as many"):
        work.run()
    assert "as it was" not in work.aftermath()
    for machine in machines["nginx"]:
        assert (
            f"{machine} is still closed (no route): `espalier maintenance off`" in work.aftermath()
        )


def test_processes_that_do_not_come_up_make_the_status_1(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    report = Report(after={"public.a": 1}, before={"public.a": 1})
    remote = SimpleNamespace(run=lambda *given: (0, "shop-process@worker-1.service\n", ""))
    site = SimpleNamespace(name="shop")
    work = Fake({}, {}, fails="")
    LiveRelease(site, remote, report, work._step)._restart_processes("app1")  # type: ignore[arg-type]
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr(Environment, "read", lambda self: site)
    monkeypatch.setattr(import_site, "reach", lambda site: contextmanager(lambda: iter([None]))())
    monkeypatch.setattr(import_site, "Import", lambda *given: SimpleNamespace(run=lambda: report))
    (tmp_path / "dump.sql").write_text("SET a = 1;\n")
    words = ["import", "-i", str(tmp_path), "--dump", str(tmp_path / "dump.sql")]
    done = CliRunner().invoke(main, words)
    assert "app1: processes did not come up with the new database: shop-process@" in done.stderr
    assert done.exit_code == 1


@pytest.mark.parametrize(
    ("answer", "is_there"),
    [
        ((127, "", "sh: 1: exec: release: not found"), False),
        ((2, '{"ok": false, "error": "no release.json", "step": "usage"}', ""), False),
        ((0, '{"ok": true, "live": null}', ""), False),
        ((0, '{"ok": true, "live": {"id": "r1"}}', ""), True),
    ],
)
def test_machine_that_the_kit_has_left_has_no_live_release(
    answer: tuple[int, str, str], is_there: bool
) -> None:
    work = Fake({}, {}, fails="")
    remote = SimpleNamespace(run=lambda *given: answer)
    live = LiveRelease(work.site, remote, work.report, work._step)  # type: ignore[arg-type]
    assert live.is_there() == is_there
