"""Where cgroups are: of this machine, and of a unit; version 1, version 2, or both (hybrid).

In a container of version 1 the whole hierarchy of the host may be mounted. What belongs to this
machine is then below the path that process 1 has among systemd's own cgroups.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from espalier_machine.insight.files import read_text

UNIFIED = "unified"  # version 2
SYSTEMD = "name=systemd"  # systemd's own hierarchy of version 1
_INIT = "/init.scope"


class Cgroups(NamedTuple):
    """The hierarchies of this machine.

    Attributes:
        mounts: controller, UNIFIED or SYSTEMD -> where it is mounted, and which path of it.
        base: the path of this machine's own cgroup in systemd's view; "" where it is the root.
    """

    mounts: dict[str, tuple[Path, str]]
    base: str

    def of(self, controller: str, path: str = "") -> Path | None:
        """The directory of a cgroup in one hierarchy; None where it has none of its own there.

        Args:
            path: what systemd calls it, such as `/system.slice/nginx.service`; "" is the machine.
        """
        if controller not in self.mounts:
            return None
        mount, root = self.mounts[controller]
        if not path:
            return _below(mount, root, self.base) or mount
        if self.base and not path.startswith(self.base + "/"):
            path = self.base + path
        return _below(mount, root, path)

    def members(self, path: str) -> Path | None:
        """The directory of a unit's cgroup that tells its processes."""
        for kind in (UNIFIED, SYSTEMD):
            found = self.of(kind, path)
            if found and (found / "cgroup.procs").exists():
                return found
        return None

    @property
    def is_pure_v2(self) -> bool:
        """Whether version 2 has the controllers."""
        return not {"cpu", "cpuacct", "memory"} & set(self.mounts) and UNIFIED in self.mounts


def _below(mount: Path, root: str, path: str) -> Path | None:
    """A path of a hierarchy, of which only what is below `root` is mounted."""
    if root != "/" and (path == root or path.startswith(root + "/")):
        path = path[len(root) :]
        if not path:
            return mount
    found = mount / path.strip("/")
    return found if path.strip("/") and found.is_dir() else None


def find(proc: Path = Path("/proc"), prefix: Path = Path("/")) -> Cgroups:
    """Look where they are mounted. `prefix` stands before each path: for tests."""
    mounts: dict[str, tuple[Path, str]] = {}
    for line in read_text(proc / "self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        kind = right.split()
        words = left.split()
        if len(words) < 5 or not kind or kind[0] not in ("cgroup", "cgroup2"):
            continue
        place = (prefix / words[4].lstrip("/"), words[3])
        if kind[0] == "cgroup2":
            mounts[UNIFIED] = place
        else:
            for option in kind[2].split(","):
                mounts[option] = place  # a later mount covers an earlier one
    return Cgroups(mounts, _base(read_text(proc / "1/cgroup")))


def _base(text: str) -> str:
    """The path of the machine, from /proc/1/cgroup: that of systemd, without its own scope."""
    paths = {}
    for line in text.splitlines():
        controllers, _, path = line.partition(":")[2].partition(":")
        paths[controllers] = path
    for name in (SYSTEMD, ""):
        path = paths.get(name, "")
        if path:
            path = path.removesuffix(_INIT)
            return "" if path == "/" or "/.." in path else path
    return ""


def in_container(root: Path = Path("/")) -> bool:
    """Whether /proc may tell of a host instead of this machine."""
    marks = ("run/systemd/container", "run/.containerenv", ".dockerenv")
    return any((root / mark).exists() for mark in marks)
