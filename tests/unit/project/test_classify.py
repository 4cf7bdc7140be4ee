"""What `make up PROJECT=…` means."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from espalier.project.classify import classify, main
from tests.unit.project.samples import PLAIN, git, write


def answer(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_classify(tmp_path):
    write(tmp_path / "shop", PLAIN)
    bare = tmp_path / "bare.git"
    bare.mkdir()
    git("init", "-q", "--bare", ".", cwd=bare)
    for value, expected in [
        (str(tmp_path / "shop"), {"directory": str(tmp_path / "shop")}),
        (str(bare), {"git": str(bare)}),
        ("https://h.example/me/shop", {"git": "https://h.example/me/shop"}),
        ("git@h.example:me/shop.git", {"git": "git@h.example:me/shop.git"}),
        ("pretix", {"package": "pretix"}),
        ("pretix==2026.8.0", {"package": "pretix", "version": "2026.8.0"}),
    ]:
        result = answer(value)
        assert result.exit_code == 0
        assert json.loads(result.stdout) == {"project": expected}
    assert classify("mail", "post_office") == {
        "project": {"package": "mail", "name": "post_office"}
    }


@pytest.mark.parametrize("value", ["./nowhere", "", "a b", "../x/y"])
def test_classify_refuses(value):
    result = answer(value)
    assert result.exit_code == 1
    assert "is neither a directory that exists, a git URL" in result.stderr


def test_classify_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "espalier.project.classify", "wagtail"],
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout) == {"project": {"package": "wagtail"}}
