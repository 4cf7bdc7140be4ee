"""What waits for a reboot or a restart after Debian's packages were upgraded."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

REBOOT = Path("/run/reboot-required")
# Of a process, in either version of cgroups.
UNIT = re.compile(r"/system\.slice/(?:\S+/)?([^/\s]+\.service)$", re.MULTILINE)
# The system's own files; those of a release or of memory are no concern of Debian's.
REPLACED = re.compile(r"\s(/(?:usr|lib|lib64)/\S+?)(?:\.dpkg-new)? \(deleted\)$", re.MULTILINE)


def reboot_for() -> list[str]:
    """The packages, or the kernel, that wait for a reboot."""
    if is_container():  # its kernel is its host's
        return []
    names = Path("/boot").glob("vmlinuz-*")
    running = os.uname().release
    newest = newest_kernel([name.name.removeprefix("vmlinuz-") for name in names], running)
    kernel = [f"kernel {newest} (now {running})"] if newest else []
    if not REBOOT.exists():
        return kernel
    packages: list[str] = []
    with suppress(OSError):
        packages = sorted(set(Path(f"{REBOOT}.pkgs").read_text().split()))
    return kernel or packages or ["a package"]


def newest_kernel(installed: Iterable[str], running: str) -> str:
    """The newest kernel of the running one's flavour; "" where that runs, or none is known."""

    def parts(version: str) -> list[tuple[int, int, str]]:
        found = re.findall(r"\d+|[^\d]+", version)
        return [(1, int(one), "") if one.isdigit() else (0, 0, one) for one in found]

    flavour = running.rpartition("-")[2]
    same = [one for one in installed if one.rpartition("-")[2] == flavour]
    newest = max(same, key=parts, default="")
    return newest if running in same and newest != running else ""


def is_container() -> bool:
    """Whether this machine is a container."""
    return Path("/run/systemd/container").exists() or Path("/run/.containerenv").exists()


def outdated_services(processes: Path = Path("/proc")) -> list[str]:
    """Services whose processes still run programs or libraries that an upgrade has replaced."""
    found = set()
    for folder in processes.glob("[0-9]*"):
        if REPLACED.search(_read(folder / "maps")):
            found.update(UNIT.findall(_read(folder / "cgroup")))
    return sorted(found)


def _read(file: Path) -> str:
    with suppress(OSError):
        return file.read_text(errors="replace")
    return ""
