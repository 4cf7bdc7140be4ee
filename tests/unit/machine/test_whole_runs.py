"""Whole runs of the command: deploy, switch, rollback, and failures on the way."""

from __future__ import annotations

import os
from contextlib import ExitStack

import pytest

from espalier_machine.release.build import prepare
from espalier_machine.release.environment import parse_environment
from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.switch import finalize, switch

from .fakes import archive, deploy, run_json


def test_the_life_of_a_machine(machine, tmp_path, capsys):
    status, result = deploy(capsys, tmp_path, "r1", "1" * 16)
    assert (status, result["action"], result["changed"]) == (0, "deployed", True)
    assert result["live"].pop("since").startswith("20")
    assert result["live"] == {
        "by": os.environ.get("SUDO_USER") or "root",
        "id": "r1",
        "identity": "1" * 16,
        "revision": "abc",
        "settings": "shop.settings",
        "version": "",
        "slot": "blue",
        "healthy": True,
    }
    assert (machine.root / "current/bin/web").exists()
    assert os.readlink(machine.config.live_socket) == machine.socket("blue")
    assert (machine.static / "site.css.gz").exists()
    assert parse_environment((machine.root / "current/release.env").read_text()) == {
        "DJANGO_SETTINGS_MODULE": "espalier_overlay.settings",
        "ESPALIER_SETTINGS": "shop.settings",
        "ESPALIER_RELEASE": "r1",
        "ESPALIER_STATIC_ROOT": f"{machine.root}/releases/r1/static",
        "PYTHONPATH": f"{machine.root}/releases/r1/overlay:{machine.root}/releases/r1/code",
    }

    status, result = deploy(capsys, tmp_path, "again", "1" * 16)
    assert (status, result["action"], result["id"]) == (0, "unchanged", "r1")

    (machine.root / "archives").mkdir()
    for identity in ("1" * 16, "9" * 16):
        (machine.root / f"archives/orchard-{identity}.tar.gz").write_text("")
    status, result = run_json(capsys, "clean")
    assert result["removed"] == [f"archives/orchard-{'9' * 16}.tar.gz"]
    assert (machine.root / f"archives/orchard-{'1' * 16}.tar.gz").exists()

    installs = (tmp_path / "uv.log").read_text().count("pip install")
    css = {"code/static/site.css": "b{}" * 1000}
    status, result = deploy(capsys, tmp_path, "r2", "2" * 16, files=css)
    assert (result["live"]["id"], result["live"]["slot"]) == ("r2", "green")
    assert machine.systemd.enabled == set(machine.systemd.running) == {"green"}
    assert (machine.static / "site.css").read_text() == "b{}" * 1000
    assert (tmp_path / "uv.log").read_text().count("pip install") == installs  # same virtualenv

    status, result = run_json(capsys, "rollback")
    assert (status, result["live"]["id"], result["live"]["slot"]) == (0, "r1", "blue")
    assert (machine.static / "site.css").read_text() == "a{}" * 1000
    status, result = run_json(capsys, "rollback")
    assert (status, result["step"]) == (1, "rollback")
    status, result = run_json(capsys, "switch", "r2")
    assert (status, result["action"]) == (0, "switched")
    status, result = run_json(capsys, "switch", "r2")
    assert (status, result["action"]) == (0, "unchanged")

    for number in "345":
        deploy(capsys, tmp_path, f"r{number}", number * 16)
    status, result = run_json(capsys, "list")
    assert [row["id"] for row in result["releases"]] == ["r5", "r4"]
    status, result = run_json(capsys, "status")
    assert (result["live"]["id"], result["stale"], result["lock"]) == ("r5", False, None)


def test_a_changed_environment_makes_the_slot_stale_and_deploy_restarts_it(
    machine, tmp_path, capsys
):
    deploy(capsys, tmp_path, "r1", "1" * 16)
    assert not machine.is_stale()
    machine.config.environment_file.write_text('SECRET="other"\n')
    assert run_json(capsys, "status")[1]["stale"] is True
    status, result = deploy(capsys, tmp_path, "again", "1" * 16)
    assert (status, result["action"], result["live"]["slot"]) == (0, "restarted", "green")
    assert run_json(capsys, "status")[1]["stale"] is False
    (machine.config.file.parent / "gunicorn.conf.py").write_text("workers = 2\n")
    assert machine.is_stale()


def test_a_failed_start_leaves_the_old_release_serving(machine, tmp_path, capsys):
    deploy(capsys, tmp_path, "r1", "1" * 16)
    deploy(capsys, tmp_path, "r2", "2" * 16)
    machine.systemd.broken = True
    status, result = deploy(capsys, tmp_path, "r3", "3" * 16)
    assert (status, result["step"]) == (1, "switch")
    assert result["error"].startswith("orchard-web@blue.service ended while it started")
    assert "the project's own words" in result["detail"]
    assert (result["live"]["id"], result["live"]["healthy"]) == ("r2", True)
    assert machine.slot_target("blue") is None
    assert sorted(path.name for path in machine.releases.iterdir()) == ["r1", "r2"]
    assert machine.systemd.enabled == {"green"}


@pytest.mark.parametrize(
    ("file", "text", "step"),
    [
        ("uv.fail", "error: No solution found\n  cause: Because x", "install"),
        ("settings.fail", "Traceback\nKeyError: 'DATABASE_URL'", "check"),
    ],
)
def test_a_failed_prepare_removes_what_it_made(machine, tmp_path, capsys, file, text, step):
    (tmp_path / file).write_text(text)
    status, result = deploy(capsys, tmp_path, "r1", "1" * 16)
    assert (status, result["ok"], result["step"]) == (1, False, step)
    assert text in result["detail"]
    for folder in (machine.build, machine.releases, machine.venvs, machine.static):
        assert list(folder.iterdir()) == []
    (tmp_path / file).unlink()
    assert deploy(capsys, tmp_path, "r1", "1" * 16)[0] == 0


def test_a_failed_prepare_keeps_the_virtualenv_of_others(machine, tmp_path, capsys):
    deploy(capsys, tmp_path, "r1", "1" * 16)
    (tmp_path / "settings.fail").write_text("boom")
    assert deploy(capsys, tmp_path, "r2", "2" * 16)[0] == 1
    assert len(list(machine.venvs.iterdir())) == 1
    assert machine.live().id == "r1"


def test_leftovers_of_a_killed_run_are_built_anew(machine, tmp_path, capsys):
    for half in (machine.build / "r1", machine.releases / "r1", machine.venvs / "feed"):
        (half / "code").mkdir(parents=True)
    status, result = deploy(capsys, tmp_path, "r1", "1" * 16)
    assert (status, result["live"]["id"]) == (0, "r1")
    assert not (machine.venvs / "feed").exists()


def test_a_run_killed_after_its_switch_is_finished_by_the_next(machine, tmp_path, capsys):
    deploy(capsys, tmp_path, "r1", "1" * 16)
    path = archive(tmp_path / "r2.tar.gz", "2" * 16)
    with ExitStack() as rollback:
        built, _ = prepare(machine, path, "r2", rollback)
        switch(machine, built, rollback)
        rollback.pop_all()  # and here it is killed: both slots run
    assert set(machine.systemd.running) == {"blue", "green"}
    status, result = run_json(capsys, "deploy", str(path))
    assert (status, result["action"]) == (0, "unchanged")
    assert set(machine.systemd.running) == machine.systemd.enabled == {"green"}
    assert os.readlink(machine.current) == "releases/r2"


def test_release_that_was_taken_back_is_removed_and_nothing_goes_back_to_it(
    machine, tmp_path, capsys
):
    deploy(capsys, tmp_path, "r1", "1" * 16)
    deploy(capsys, tmp_path, "r2", "2" * 16)
    # As the way back does, of a release that failed on another machine.
    back = run_json(capsys, "rollback", "r1", "--accept", "all")[1]
    assert (back["action"], back["live"]["id"]) == ("switched", "r1")
    listed = {row["id"]: row for row in run_json(capsys, "list")[1]["releases"]}
    assert (listed["r2"]["good"], listed["r2"]["rolled_back"]) == (False, True)
    status, result = run_json(capsys, "remove", "r2")
    assert (status, result.get("error")) == (0, None)
    assert not (machine.releases / "r2").exists()


def test_rollback_goes_to_what_was_live_before_and_not_to_what_was_left(machine, tmp_path, capsys):
    def live() -> str:
        return run_json(capsys, "status")[1]["live"]["id"]

    for number in "12":
        deploy(capsys, tmp_path, f"r{number}", number * 16)
    run_json(capsys, "rollback")
    assert live() == "r1"
    deploy(capsys, tmp_path, "r3", "3" * 16)
    assert run_json(capsys, "status")[1]["previous"] == "r1"
    run_json(capsys, "rollback")
    assert live() == "r1"
    status, result = run_json(capsys, "rollback")
    assert (status, result["error"]) == (
        1,
        "no release that was live before r1 is left here; see `release list`.",
    )
    assert run_json(capsys, "status")[1]["previous"] == ""
    run_json(capsys, "switch", "r3")
    run_json(capsys, "switch", "r1")  # released again, not gone back to
    run_json(capsys, "rollback")
    assert live() == "r3"


def test_what_a_rollback_goes_to_is_kept(machine, tmp_path, capsys):
    for number in "123":
        deploy(capsys, tmp_path, f"r{number}", number * 16)
    run_json(capsys, "rollback", "r2")
    deploy(capsys, tmp_path, "r4", "4" * 16)  # two are kept: r4, and r3, which was rolled back
    assert run_json(capsys, "status")[1]["previous"] == "r2"
    run_json(capsys, "clean")
    assert run_json(capsys, "rollback")[1]["live"]["id"] == "r2"


def test_a_switch_purges_the_pages_of_the_release_before(machine, tmp_path, capsys):
    cache = tmp_path / "pages"
    page, unfinished = cache / "6/3c" / ("0123456789abcdef" * 2), cache / "6/3c" / ("0" * 32 + ".1")

    def fill():
        page.parent.mkdir(parents=True, exist_ok=True)
        page.touch()
        unfinished.touch()

    fill()
    deploy(capsys, tmp_path, "r1", "1" * 16)
    assert not page.exists()
    assert unfinished.exists()
    fill()
    deploy(capsys, tmp_path, "r1", "1" * 16)
    assert page.exists()  # nothing was switched
    built, _ = prepare(machine, archive(tmp_path / "r2.tar.gz", "2" * 16), "r2", ExitStack())
    switch(machine, built, ExitStack())
    assert not page.exists()
    fill()  # an answer of the old release that came after the switch
    finalize(machine)
    assert not page.exists()


def test_undo_never_touches_a_release_that_went_live(machine, tmp_path):
    path = archive(tmp_path / "r1.tar.gz")
    with pytest.raises(ReleaseError), ExitStack() as rollback:
        built, _ = prepare(machine, path, "r1", rollback)
        switch(machine, built, rollback)
        raise ReleaseError("stopped", "a signal right after the rename")
    assert machine.live().id == "r1"
    assert set(machine.systemd.running) == {"blue"}


def test_prepare_and_switch_are_usable_by_themselves(machine, tmp_path, capsys):
    path = str(archive(tmp_path / "a.tar.gz"))
    assert run_json(capsys, "prepare", path, "--id", "r1")[1]["action"] == "prepared"
    assert machine.live() is None
    assert run_json(capsys, "prepare", path, "--id", "r1")[1]["action"] == "unchanged"
    assert run_json(capsys, "prepare", path)[1]["id"] == "r1"
    assert run_json(capsys, "migrate", "r1")[1]["action"] == "unchanged"
    assert run_json(capsys, "switch", "r1")[1]["live"]["id"] == "r1"
    assert run_json(capsys, "restart")[1]["live"]["slot"] == "green"
    status, result = run_json(capsys, "switch", "r9")
    assert (status, result["step"]) == (2, "usage")
    assert "there are: r1" in result["error"]
    other = str(archive(tmp_path / "b.tar.gz", "9" * 16))
    assert run_json(capsys, "prepare", other, "--id", "r1")[0] == 2
    assert run_json(capsys, "prepare", other, "--id", "../x")[0] == 2
