"""espalier verify, as somebody types it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from espalier.cli import verify
from espalier.cli.main import main
from espalier.paths import KIT


def test_passwords_of_vaults_reach_ansible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, str] = {}

    def run(argv: list[str], env: dict[str, str], **more: Any) -> Any:
        found.update(env)
        files = env["ANSIBLE_VAULT_IDENTITY_LIST"].split(",")
        typed = subprocess.check_output([files[-1].partition("@")[2]], env=env, text=True)
        found["typed"] = typed.strip()
        return SimpleNamespace(returncode=0)

    fake = SimpleNamespace(run=run)
    monkeypatch.setattr(verify, "subprocess", fake)
    monkeypatch.chdir(tmp_path)
    words = ["verify", "-i", str(KIT / "inventories/example"), "--vault-password-file", "one"]
    words += ["--vault-id", "prod@two", "-J"]
    done = CliRunner().invoke(main, words, input="grafting wax\n")
    assert done.exit_code == 0, done.output
    files = found["ANSIBLE_VAULT_IDENTITY_LIST"].split(",")
    assert files[:2] == [f"{tmp_path}/one", f"prod@{tmp_path}/two"]
    assert found["typed"] == "grafting wax"
