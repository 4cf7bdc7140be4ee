"""What this machine is told about its project: release.json, which the Ansible role writes."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from espalier_machine.release.errors import UsageError

CONFIGURATIONS = Path("/etc/espalier")


@dataclasses.dataclass(frozen=True)
class Config:
    """The machine's release.json, written by the Ansible role. Times are in seconds."""

    file: Path
    project: str
    root: Path
    user: str
    group: str
    environment_file: Path
    runtime_files: tuple[Path, ...]
    uv: str
    python: str
    web_unit: str
    socket: str
    live_socket: Path
    keep: int
    probe_path: str
    probe_host: str
    probe_timeout: float
    drain_timeout: float
    lock_timeout: str
    page_caches: tuple[Path, ...]
    front: str
    process_unit: str
    schedule_unit: str
    is_first: bool
    # The machines that run Django for the site; empty in a file of an older kit.
    site_machines: tuple[str, ...] = ()
    # Whose processes connect to anything where what Django connects to is limited; "": it is not.
    build_group: str = ""

    @classmethod
    def load(cls, file: Path) -> Config:
        """Read one release.json; raises UsageError with a sentence."""
        try:
            given = json.loads(file.read_text())
        except (OSError, ValueError) as error:
            raise UsageError(f"{file} cannot be read: {error}; run site.yml again.") from error
        given = {"site_machines": [], "build_group": ""} | given
        names = [field.name for field in dataclasses.fields(cls) if field.name != "file"]
        if missing := [name for name in names if name not in given]:
            raise UsageError(f"{file} lacks {', '.join(missing)}; run site.yml again.")
        values = {name: given[name] for name in names}
        for name in ("root", "environment_file", "live_socket"):
            values[name] = Path(values[name])
        for name in ("runtime_files", "page_caches"):
            values[name] = tuple(Path(path) for path in values[name])
        values["site_machines"] = tuple(values["site_machines"])
        return cls(file=file, **values)

    @classmethod
    def find(cls, project: str | None) -> Config:
        """The named project's configuration, or the only one there is; raises UsageError."""
        found = {path.parent.name: path for path in sorted(CONFIGURATIONS.glob("*/release.json"))}
        if project is None and len(found) == 1:
            return cls.load(next(iter(found.values())))
        if project in found:
            return cls.load(found[project])
        if not found:
            raise UsageError(f"no {CONFIGURATIONS}/*/release.json here; run site.yml first.")
        known = ", ".join(found)
        asked = f"no project {project} here" if project else "several projects here"
        raise UsageError(f"{asked}; say --project with one of: {known}.")
