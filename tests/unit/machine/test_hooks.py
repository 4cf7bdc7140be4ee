"""Release hooks."""

from __future__ import annotations

from .fakes import archive, run_json


def test_hooks_run_as_the_project_in_its_release(machine, tmp_path, capsys):
    hooks = {"after_switch": ["echo hot > $HOME/warmed", "false"], "before_migrate": ["pwd"]}
    one = archive(tmp_path / "one.tar.gz", hooks=hooks)
    assert run_json(capsys, "deploy", str(one), "--id", "one")[0] == 0
    assert run_json(capsys, "hook", "before_migrate:one")[1]["action"] == "ran"
    status, said = run_json(capsys, "hook", "after_switch")
    assert status == 1
    assert said["error"].startswith("the hook `false` failed")
    assert (machine.root / "warmed").read_text() == "hot\n"
    assert run_json(capsys, "hook", "after_rollback")[1]["action"] == "unchanged"
