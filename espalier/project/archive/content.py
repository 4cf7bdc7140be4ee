"""The members of the archive: the project's code and the settings overlay."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path

from espalier.project.detection.detect import Detected
from espalier.project.errors import ProjectError
from espalier.project.schema import Project
from espalier.project.source.tree import File, Source, sha256

_MANAGE = """\
#!/usr/bin/env python3
\"\"\"Run Django's management commands. Written by Espalier: the package brings no manage.py.\"\"\"

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{settings}")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
"""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One member of the archive: `origin` is a file on this machine, or the content itself."""

    file: File
    origin: Path | bytes


def code(
    project: Project, source: Source, detected: Detected, written: Mapping[str, str]
) -> Iterator[Entry]:
    """The project's files; for a package, a manage.py that the kit writes.

    `written` has files of the kit's own by path, which go before the project's.
    """
    files = source.files
    if project.package:
        text = _MANAGE.format(settings=detected.settings.value)
        yield generated("code/manage.py", text.encode(), 0o755)
        files = tuple(file for file in files if file.path in source.added)
    for path, content in written.items():
        yield generated(f"code/{path}", content.encode())
    for file in files:
        if file.path in written:
            continue
        origin = source.added.get(file.path, source.tree / file.path)
        yield Entry(dataclasses.replace(file, path=f"code/{file.path}"), origin)


def overlay(overlay_dir: Path) -> Iterator[Entry]:
    """The settings overlay, without its tests.

    Raises ProjectError where there is none.
    """
    package = overlay_dir / "espalier_overlay"
    if not (package / "__init__.py").is_file():
        raise ProjectError(
            f"the kit's settings overlay is missing: {package} is no Python package."
        )
    for path in sorted(
        package.rglob("*.py"), key=lambda path: path.relative_to(overlay_dir).as_posix()
    ):
        name = path.relative_to(overlay_dir).as_posix()
        if "tests" not in name.split("/"):
            yield generated(f"overlay/{name}", path.read_bytes())


def generated(path: str, content: bytes, mode: int = 0o644) -> Entry:
    """A member whose content is in memory."""
    return Entry(File(path, mode, sha256(content)), content)
