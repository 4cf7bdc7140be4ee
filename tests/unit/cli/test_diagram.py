"""espalier diagram, as somebody types it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from espalier import diagram
from espalier.cli.main import main
from espalier.paths import KIT


@pytest.fixture(autouse=True)
def no_graphviz(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would be laid out is enough."""
    monkeypatch.setattr(diagram, "render", lambda source: source)


def test_inventory_with_a_vault_is_drawn_with_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inventory = shutil.copytree(KIT / "inventories/example", tmp_path / "production")
    password, out = tmp_path / "password", tmp_path / "out.svg"
    password.write_text("grafting wax\n")
    vault = inventory / "group_vars/all/vault.yml"
    vault.write_text("vault_secret_key: x\n")
    program = Path(sys.executable).with_name("ansible-vault")
    encrypt = [program, "encrypt", "--vault-password-file", password, vault]
    subprocess.run(encrypt, check=True, capture_output=True)
    line = ["diagram", "-i", str(inventory), str(out)]
    assert CliRunner().invoke(main, line).exit_code == 2
    done = CliRunner().invoke(main, [*line, "--vault-password-file", str(password)])
    assert done.exit_code == 0, done.output
    assert "vps1" in out.read_text()
    out.unlink()
    monkeypatch.setenv("ESPALIER_VAULT_PASSWORD", "grafting wax")
    assert CliRunner().invoke(main, line).exit_code == 0


def test_picture_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    line = ["diagram", "-i", str(KIT / "inventories/example"), str(tmp_path / "none/out.svg")]
    done = CliRunner().invoke(main, line)
    assert (done.exit_code, done.stderr) == (
        2,
        f"diagram: {tmp_path}/none/out.svg cannot be written: No such file or directory.\n",
    )
