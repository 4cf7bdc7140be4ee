"""Copies of uploads stand still while a restore works, and somebody knows why."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from espalier.inventory.site import Site
from espalier.restoring import pause

SITE = Site(
    Path("/i"), "shop", {"services": {"restic": ["web1"], "restic_repository": []}}, {}, {}, {}
)
# What systemd is told, and whether the mark is there then.
SYSTEMCTL = """#!/bin/sh
[ -e "$MARK" ] && mark=marked || mark=unmarked
echo "$* $mark" >> "$LOG"
"""


class Here:
    """This machine, with a systemd that is played."""

    def __init__(self, folder: Path) -> None:
        """Have it write down what it is told."""
        self.log, self.mark = folder / "log", folder / "run/espalier/uploads-paused"
        (folder / "systemctl").write_text(SYSTEMCTL)
        (folder / "systemctl").chmod(0o755)
        path = f"{folder}:{os.environ['PATH']}"
        self.environment = {"PATH": path, "MARK": str(self.mark), "LOG": str(self.log)}

    def run(self, machine: str, words: list[str]) -> tuple[int, str, str]:
        """Run a command."""
        assert machine == "web1"
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr


def test_a_mark_says_why_the_timers_stand_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Here(tmp_path)
    warnings: list[str] = []
    monkeypatch.setattr(pause, "UPLOADS_PAUSED", str(here.mark))
    remote: Any = here
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt), pause.paused(remote, SITE, warnings.append):
            assert here.mark.exists()
            raise KeyboardInterrupt
        assert not here.mark.exists()
    assert here.log.read_text().splitlines()[0] == "stop espalier-uploads-* marked"
    assert warnings == []
