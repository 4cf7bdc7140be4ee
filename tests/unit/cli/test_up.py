"""espalier up, as somebody types it where no machine can be made yet."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from espalier.cli import up
from espalier.cli.main import main
from tests.unit.project.samples import PLAIN
from tests.unit.project.samples import write as write_files


@pytest.mark.parametrize("files", [{"README.md": ""}, PLAIN])
def test_home_directory_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str]
) -> None:
    monkeypatch.setenv("HOME", str(write_files(tmp_path, files)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(up, "fetch", lambda *given, **more: pytest.fail("all of it was read"))
    done = CliRunner().invoke(main, ["up"])
    assert done.exit_code == 2
    assert f"{tmp_path} holds no Django project" in done.stderr
    assert "`espalier up PROJECT`" in done.stderr
