"""A tool that is not here is no success, and the sentence says what fetches it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from espalier.audit import tools


def answer(monkeypatch: pytest.MonkeyPatch, stdout: str = "", stderr: str = "") -> list[str]:
    argv: list[str] = []

    def run(given: list[str], **more: Any) -> Any:
        argv.extend(given)
        return SimpleNamespace(stdout=stdout, stderr=stderr, returncode=1)

    monkeypatch.setattr(tools.subprocess, "run", run)
    return argv


def test_what_a_tool_says_counts_whatever_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    argv = answer(monkeypatch, stdout="[]")
    assert tools.run("gixy", "-f", "json") == "[]"
    assert argv[-5:] == ["--from", "gixy-ng", "gixy", "-f", "json"]


def test_tool_that_cannot_be_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, stderr="error: Failed to fetch: `https://index.example/sslyze/`")
    with pytest.raises(tools.ToolError) as told:
        tools.run("sslyze", "a:443")
    sentence = str(told.value)
    assert sentence.startswith("sslyze is not here yet, and the Python index cannot be reached")
    assert sentence.endswith(" --from sslyze sslyze --help` fetches it")


def test_tool_that_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, stderr="Traceback …\nKeyError: 'x'")
    with pytest.raises(tools.ToolError, match="ssh-audit failed: KeyError: 'x'"):
        tools.run("ssh-audit", "a")
