"""Run Debian's lynis, and leave nothing of it.

The package is fetched and unpacked into a temporary directory, not installed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}


# Its lock, which it would leave where it is ended before its time.
LOCK = Path("/run/lynis.pid")


class LynisError(Exception):
    """It cannot be had, or it did not report."""


def audit(folder: Path) -> dict[str, Any]:
    """Fetch lynis into a directory and run it.

    Returns:
        `version`, `index` (0 to 100), and `warnings` and `suggestions`: name of the test -> text.

    Raises:
        LynisError: with a sentence.
    """
    fetch(folder)
    (package,) = folder.glob("lynis_*.deb")
    _run("dpkg-deb", "-x", str(package), str(folder / "root"))
    tree = folder / "root/usr/share/lynis"
    report = folder / "report.dat"
    settings = folder / "root/etc/lynis"
    argv = ["sh", str(folder / "root/usr/sbin/lynis"), "audit", "system", "--cronjob", "--usecwd"]
    argv += ["--profile", str(settings / "default.prf"), "--plugindir", str(settings / "plugins")]
    argv += ["--logfile", str(folder / "log"), "--report-file", str(report)]
    done = subprocess.run(
        ["nice", "-n", "10", *argv],
        cwd=tree,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if not report.exists() or "hardening_index" not in (text := report.read_text(errors="replace")):
        raise LynisError(f"lynis did not report: {(done.stdout + done.stderr).strip()[-300:]}")
    return parse(text)


def fetch(folder: Path) -> None:
    """Fetch Debian's package by the machine's own sources; their lists are read, or fetched too."""
    download = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root"]
    done = subprocess.run(
        [*download, "download", "lynis"], cwd=folder, env=ENVIRONMENT, capture_output=True
    )
    if done.returncode:
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        own = ["-o", f"Dir::State::lists={folder}/lists", "-o", f"Dir::Cache={folder}/cache"]
        _run(*download, *own, "update")
        _run(*download, *own, "download", "lynis", folder=folder)


def parse(report: str) -> dict[str, Any]:
    """Read a report: lines of NAME=VALUE, of which some are lists (NAME[]=…)."""
    found: dict[str, Any] = {"warnings": {}, "suggestions": {}}
    for line in report.splitlines():
        name, _, value = line.partition("=")
        if name == "hardening_index":
            found["index"] = int(value)
        elif name == "lynis_version":
            found["version"] = value
        elif name in ("warning[]", "suggestion[]"):
            test, text, *more = value.split("|")
            details = [one for one in more if one not in ("", "-")]
            found[f"{name[:-2]}s"].setdefault(test, []).append(" ".join([text, *details]))
    return found


def _run(*words: str, folder: Path | None = None) -> None:
    done = subprocess.run(words, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
    if done.returncode:
        raise LynisError(f"{words[0]} failed: {(done.stderr or done.stdout).strip()[-300:]}")


if __name__ == "__main__":
    os.umask(0o077)
    if LOCK.exists():
        sys.exit(f"lynis runs there already, or was cut off: {LOCK} is there")
    with tempfile.TemporaryDirectory(prefix="espalier-audit-", dir="/var/tmp") as name:
        try:
            print(json.dumps(audit(Path(name))))
        except LynisError as error:
            sys.exit(str(error))
        finally:
            LOCK.unlink(missing_ok=True)
