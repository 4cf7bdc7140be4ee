"""The live release while data is brought in. No machine is touched."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from espalier.arriving.live import RESTART

# As systemd does, it prints several properties in an order of its own.
SYSTEMCTL = """#!/bin/sh
case "$*" in
list-units*) echo "shop-process@a.service loaded active"; echo "shop-process@b.service loaded";;
*"show"*NRestarts*@b*) echo RESTARTS;;
*"show"*NRestarts*) echo 0;;
esac
case "$*" in
*"show"*ActiveState*@b*) echo STATE;;
*"show"*ActiveState*) echo active;;
esac
"""


@pytest.mark.parametrize(
    ("state", "restarts", "said"),
    [
        ("active", 0, ""),
        ("active", 1, "shop-process@b.service\n"),
        ("failed", 0, "shop-process@b.service\n"),
    ],
)
def test_processes_that_do_not_come_up_are_told_from_those_that_do(
    tmp_path: Path, state: str, restarts: int, said: str
) -> None:
    fake = SYSTEMCTL.replace("STATE", state).replace("RESTARTS", str(restarts))
    for name, text in {"systemctl": fake, "sleep": "#!/bin/sh\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    argv = ["sh", "-c", RESTART, "sh", "shop-process@*.service"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
