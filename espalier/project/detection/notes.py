"""What a person had better know before the release: Celery, a large directory."""

from __future__ import annotations

import re
from collections.abc import Iterator

from espalier.project.detection.tree import ProjectTree
from espalier.project.schema import Project
from espalier.project.source.tree import Source
from espalier.project.words import note

LARGE = 200 * 1024 * 1024  # bytes; beyond this a newcomer has probably packed uploads or data


def other_notes(project: Project, tree: ProjectTree) -> Iterator[str]:
    """A note about Celery, where project.yml has no worker of it."""
    if any("celery" in one["command"] for one in project.processes.values()):
        return
    for path in tree.named("celery.py", "celery_app.py"):
        if re.search(r"=\s*Celery\(", tree.read(path)):
            app = tree.dotted(path).removesuffix(".celery")
            worker = f"`processes: {{worker: celery -A {app} worker}}`"
            yield note("note", f"{path} has a Celery app: write {worker}, or its tasks wait")
            break


def size_note(project: Project, source: Source) -> Iterator[str]:
    """A note when a directory is so large that it probably holds uploads or data."""
    if not project.directory:
        return
    sizes: dict[str, int] = {}
    for file in source.files:
        if file.path in source.added:
            continue
        top = file.path.split("/")[0]
        sizes[top] = sizes.get(top, 0) + (source.tree / file.path).lstat().st_size
    total = sum(sizes.values())
    if total > LARGE:
        top = max(sizes, key=lambda name: sizes[name])
        size = f"{total // 2**20} MB, of which {sizes[top] // 2**20} MB in {top}"
        yield note("warning", f"{size}: list in .gitignore what is not code")
