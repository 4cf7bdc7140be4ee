"""The command line: what people are told."""

from __future__ import annotations

import os

import pytest

from espalier_machine.release import config
from espalier_machine.release.cli import main

from .fakes import archive, deploy, run_json


def test_people_are_told_the_step_the_cause_and_what_still_serves(machine, tmp_path, capsys):
    deploy(capsys, tmp_path, "r1", "1" * 16)
    (tmp_path / "settings.fail").write_text("Traceback\nKeyError: 'X'\n")
    path = archive(tmp_path / "b.tar.gz", "2" * 16)
    assert main(["deploy", str(path)]) == 1
    lines = capsys.readouterr().err.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("release: check failed: "))
    assert "KeyError: 'X' (a missing environment variable" in lines[first]
    assert lines[first + 1 :] == ["Traceback", "KeyError: 'X'", "The release r1 is still serving."]


def test_wrong_use_is_status_2(machine, tmp_path, capsys, monkeypatch):
    with pytest.raises(SystemExit) as caught:
        main(["deploy"])
    assert caught.value.code == 2
    assert run_json(capsys, "status", "--project", "forest")[0] == 2
    monkeypatch.setattr(config, "CONFIGURATIONS", tmp_path / "nowhere")
    status, result = run_json(capsys, "status")
    assert (status, "run site.yml first" in result["error"]) == (2, True)


def test_tables_for_people(machine, tmp_path, capsys):
    deploy(capsys, tmp_path, "r1", "1" * 16)
    assert main(["list"]) == main(["status"]) == 0
    out = capsys.readouterr().out
    assert "r1       live" in out
    assert "settings  up to date" in out


def test_log_says_who_put_what_live(machine, tmp_path, capsys):
    one = archive(tmp_path / "one.tar.gz")
    status, _ = run_json(capsys, "--by", "anna@laptop", "deploy", str(one), "--id", "one")
    assert status == 0
    two = archive(tmp_path / "two.tar.gz", identity="fedcba9876543210")
    assert run_json(capsys, "deploy", str(two), "--id", "two")[0] == 0
    assert run_json(capsys, "--by", "bert  at\nhome", "rollback")[0] == 0
    status, said = run_json(capsys, "log")
    assert status == 0
    assert [(row["id"], row["by"]) for row in said["log"]] == [
        ("one", "anna@laptop"),
        ("two", os.environ.get("SUDO_USER") or "root"),
        ("one", "bert at home"),
    ]
    assert run_json(capsys, "status")[1]["live"]["by"] == "bert at home"
