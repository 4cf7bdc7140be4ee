"""build.json: what a machine must know to build a release, beside the code."""

from __future__ import annotations

import dataclasses
import posixpath
import re
from collections.abc import Mapping, Sequence
from typing import Any

from espalier.project.detection.detect import Detected
from espalier.project.schema import Project
from espalier.project.source.tree import Source


def record(
    project: Project,
    source: Source,
    detected: Detected,
    extra_requirements: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """build.json without its identity."""
    package = detected.requirements_kind == "package"
    requirements = detected.written or detected.requirements.value
    groups = dataclasses.asdict(detected.groups) if not detected.written else {}
    server = detected.server.value
    return {
        "project": project.name,
        "source": source.description,
        "version": project.version,
        "revision": source.revision,
        "workdir": posixpath.join("code", detected.workdir.value).rstrip("/"),
        "manage": "manage.py",
        "settings": detected.settings.value,
        "application": detected.application.value,
        "interface": detected.interface,
        "overlay": project.overlay,
        # Apps bring migrations and static files, so that another list is another release.
        "apps": list(project.apps),
        "requirements": {
            "kind": "requirements" if detected.written else detected.requirements_kind,
            "path": "" if package else f"code/{requirements}",
            "spec": requirements if package else "",
            **{key: list(names) for key, names in groups.items() if names},
        },
        "extra_requirements": _merged(
            extra_requirements.get(server, ()), project.extra_requirements
        ),
        "python": detected.python.stated,
        # Only what is stated: a project that states nothing keeps the identity that it had.
        **{
            key: value
            for key, value in (
                ("index", list(project.index)),
                ("index_of_lock", list(detected.indexes.asked)),
                ("server", project.server or (server if server != "gunicorn" else "")),
                ("pythons", detected.python.as_json_object()),
                ("python_mirror", project.python_mirror),
                ("processes", dict(project.processes)),
                ("schedule", dict(project.schedule)),
                ("candidates", [[one.module, one.where] for one in detected.candidates]),
                ("configuration", detected.configuration),
                ("given", dict(sorted(detected.wanted.given.items()))),
                ("build", detected.build.record()),
                ("imported", [f"code/{one}" for one in detected.imported]),
                ("writable", list(project.writable_inside)),
                ("hooks", {moment: list(commands) for moment, commands in project.hooks.items()}),
            )
            if value
        },
    }


def _merged(kit: Sequence[str], own: Sequence[str]) -> list[str]:
    """The kit's requirements, without those that the project names itself, then the project's."""

    def name(requirement: str) -> str:
        return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement.strip())[0]).lower()

    named = {name(requirement) for requirement in own}
    return [requirement for requirement in kit if name(requirement) not in named] + list(own)
