"""What the tests of the overlay share: the tiny project, run as a release runs one."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

OVERLAY = Path(__file__).resolve().parent.parent
PROJECT = Path(__file__).resolve().parent / "project"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return `run(*arguments, **environ)`: python on the tiny project, in a clean environment."""

    def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command(*arguments),
            env=environment(tmp_path, **environ),
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def command(*arguments: str) -> list[str]:
    """Return the command line of python with these arguments."""
    return [sys.executable, *arguments]


def environment(tmp_path: Path, **environ: str) -> dict[str, str]:
    """Return what a release's environment holds, with `environ` on top."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{OVERLAY}:{PROJECT}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "DJANGO_SETTINGS_MODULE": "espalier_overlay.settings",
        "ESPALIER_SETTINGS": "tiny.elsewhere",
        "ESPALIER_RELEASE": "r1",
        "ESPALIER_MACHINE": "vps1",
        "ESPALIER_SECRET_KEY": "k" * 50,
        "ESPALIER_ALLOWED_HOSTS": "tiny.example.com",
        "ESPALIER_STATIC_URL": "/static/",
        "ESPALIER_STATIC_ROOT": str(tmp_path / "static"),
        "TINY_DATABASE": str(tmp_path / "db.sqlite3"),
        **environ,
    }
