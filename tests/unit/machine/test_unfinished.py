"""A release that was cut off after its switch, or a site whose first machine left, is seen."""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import ExitStack

import pytest

from espalier_machine.release import processes
from espalier_machine.release.build import prepare
from espalier_machine.release.switch import finalize, switch

from .fakes import PROCESSES, archive, deploy, run_json, told


def unfinished(capsys) -> bool:
    return run_json(capsys, "status")[1]["unfinished"]


def be_first(machine, first: bool) -> None:
    file = machine.config.file
    file.write_text(json.dumps(json.loads(file.read_text()) | {"is_first": first}))


def cut_off(machine, tmp_path, capsys) -> None:
    """Switch from r1 to r2, and finalize nothing of it."""
    deploy(capsys, tmp_path, "r1", "1" * 16, **PROCESSES)
    assert not unfinished(capsys)
    path = archive(tmp_path / "r2.tar.gz", "2" * 16, **PROCESSES)
    with ExitStack() as rollback:
        switch(machine, prepare(machine, path, "r2", rollback)[0], rollback)
        rollback.pop_all()


def test_first_machine_that_leaves_hands_its_timers_to_the_next(machine, tmp_path, capsys):
    be_first(machine, False)
    deploy(capsys, tmp_path, "r1", "1" * 16, **PROCESSES)
    assert not unfinished(capsys)
    be_first(machine, True)
    status = run_json(capsys, "status")[1]
    assert (status["stale"], status["live"]["healthy"]) == (False, True)
    assert status["unfinished"]
    assert run_json(capsys, "switch", "r1")[1]["action"] == "unchanged"
    assert (tmp_path / "units/orchard-schedule@tidy.timer").exists()
    assert told(machine, "enable")[-1] == "tidy.timer"
    assert not unfinished(capsys)
    be_first(machine, False)
    assert unfinished(capsys)
    run_json(capsys, "switch", "r1")
    assert not list((tmp_path / "units").iterdir())
    assert not unfinished(capsys)


def test_release_that_was_cut_off_after_its_switch_is_finished_by_the_next(
    machine, tmp_path, capsys
):
    cut_off(machine, tmp_path, capsys)
    status = run_json(capsys, "status")[1]
    assert (status["live"]["id"], status["live"]["healthy"], status["stale"]) == ("r2", True, False)
    assert status["unfinished"]
    capsys.readouterr()
    assert run_json(capsys, "switch", "r2")[1]["action"] == "unchanged"
    assert os.readlink(machine.current) == "releases/r2"
    assert machine.systemd.enabled & {"blue", "green"} == {"green"}
    status = run_json(capsys, "status")[1]
    assert {one["release"] for one in status["processes"].values()} == {"r2"}
    assert not status["unfinished"]


@pytest.mark.parametrize(
    "break_off",
    [
        lambda machine: machine.current.unlink(),
        lambda machine: machine.systemd.enabled.discard("green"),
        lambda machine: machine.systemd.enabled.add("blue"),
        lambda machine: machine.systemd("systemctl", "start", machine.unit("blue")),
        lambda machine: (machine.slots / "process-beat-1").unlink(),
        lambda machine: (machine.slots / "process-beat-1").write_text(""),
        lambda machine: (machine.slots / "process-old-1").write_text("r1 0"),
        lambda machine: machine.systemd.want_timer("orchard-schedule@tidy.timer", False),
    ],
    ids=["current", "not enabled", "both enabled", "both run", "process", "empty", "old", "timer"],
)
def test_each_thing_that_finalize_does_is_missed(machine, tmp_path, capsys, break_off):
    cut_off(machine, tmp_path, capsys)
    finalize(machine)
    assert not unfinished(capsys)
    (machine.slots / "blue").unlink(missing_ok=True)
    (machine.slots / "blue").symlink_to("../releases/r1")
    break_off(machine)
    assert unfinished(capsys)
    finalize(machine)
    assert not unfinished(capsys)


def test_command_that_is_cut_off_between_two_timers_is_seen(machine, tmp_path, capsys, monkeypatch):
    def killed(*argv):
        raise KeyboardInterrupt

    be_first(machine, False)
    deploy(capsys, tmp_path, "r1", "1" * 16, **PROCESSES)
    be_first(machine, True)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(processes, "required", killed)
        run_json(capsys, "switch", "r1")
    assert (tmp_path / "units/orchard-schedule@tidy.timer").exists()
    assert unfinished(capsys)


def test_release_that_is_about_to_finish_is_not_unfinished(machine, tmp_path, capsys):
    cut_off(machine, tmp_path, capsys)
    with open(machine.lock_file, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not unfinished(capsys)
    assert unfinished(capsys)


def test_a_person_is_told_and_what_to_type(machine, tmp_path, capsys):
    from espalier_machine.release.cli import main

    cut_off(machine, tmp_path, capsys)
    capsys.readouterr()
    main(["status"])
    (line,) = [one for one in capsys.readouterr().out.splitlines() if "unfinished" in one]
    assert line.split(maxsplit=1)[1] == (
        "what follows from its switch was cut off, or has changed; run `espalier release` on the "
        "control machine, or here `release switch r2`"
    )


def test_status_asks_systemd_two_things_at_most(machine, tmp_path, capsys):
    deploy(capsys, tmp_path, "r1", "1" * 16, **PROCESSES)
    machine.systemd.calls.clear()
    assert not unfinished(capsys)
    assert len(machine.systemd.calls) == 2  # about the slots, and about all other processes
