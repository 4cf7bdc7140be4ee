"""Everything that runs a project, found in its files."""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Collection

from espalier.project.detection.application import find_application, find_server
from espalier.project.detection.candidates import Candidate
from espalier.project.detection.configuration import find_configuration
from espalier.project.detection.frontend import Build, find_build
from espalier.project.detection.groups import Groups, find_groups, group_notes
from espalier.project.detection.indexes import Indexes, find_indexes
from espalier.project.detection.locks import exported_path
from espalier.project.detection.mail import mail_note
from espalier.project.detection.manage import find_imported, find_manage
from espalier.project.detection.notes import other_notes, size_note
from espalier.project.detection.postgresql import PostgreSQL, find_postgresql
from espalier.project.detection.python import Pythons, find_python, python_notes
from espalier.project.detection.requirements import Requirements, find_requirements
from espalier.project.detection.settings import find_package_settings, find_settings
from espalier.project.detection.settings_choice import choose, settings_notes, variables_notes
from espalier.project.detection.tree import Found, ProjectTree
from espalier.project.detection.writable import writable_notes
from espalier.project.errors import ProjectError
from espalier.project.schema import WHERE, Project
from espalier.project.source.tree import Source
from espalier.project.variables.wanted import Wanted
from espalier.project.words import note


@dataclasses.dataclass(frozen=True)
class Detected:
    """What runs the project. Paths are relative to the source tree."""

    workdir: Found  # the directory of manage.py; "" is the root
    settings: Found
    application: Found
    interface: str  # "wsgi" or "asgi"
    requirements: Requirements  # the file, or for a package its exact version
    requirements_kind: str  # of `find_requirements`, or "package"
    server: Found  # what runs the application
    postgresql: PostgreSQL  # what its database needs
    wanted: Wanted  # what the settings want of the environment
    build: Build  # what runs before static files are collected
    candidates: tuple[Candidate, ...] = ()  # of several settings, the likeliest first
    configuration: str = ""  # the class of the settings, of django-configurations
    groups: Groups = dataclasses.field(default_factory=Groups)  # of the requirements
    indexes: Indexes = dataclasses.field(default_factory=Indexes)  # of the requirements
    python: Pythons = dataclasses.field(default_factory=Pythons)
    imported: tuple[str, ...] = ()  # directories that Python imports from, beside that of manage.py
    notes: tuple[str, ...] = ()  # lines to show the user before the values are used

    @property
    def written(self) -> str:
        """The requirements file that the kit writes beside the project's own; "" for none."""
        if self.requirements.more:
            return f"{self.requirements.value}.all.txt"
        return exported_path(self.requirements.value, self.requirements_kind)


def detect(
    project: Project, source: Source, where: str = WHERE, tiers: Collection[str] = ()
) -> Detected:
    """Find what the user did not state.

    Args:
        project: from `schema.check`; what it states is taken, if it exists.
        source: from `fetch.fetch`; no code of the project is run.
        where: the file to name in sentences.
        tiers: those of the site, with which the kit has more to give.

    Raises:
        ProjectError: when a value is found nowhere, or in several places.
    """
    tree = ProjectTree(source, where)
    if project.package:
        workdir = Found("", "generated")
        settings = find_package_settings(project, tree)
        candidates = [Candidate(settings.value, settings.where)]
        exact = f"{project.package}=={source.revision}"
        requirements, kind = Requirements(exact, "project.package"), "package"
    else:
        workdir = find_manage(project, tree)
        tree = dataclasses.replace(tree, root=workdir.value)
        tree = dataclasses.replace(tree, more=find_imported(tree))
        candidates = find_settings(project, tree)
        requirements, kind = find_requirements(project, tree)
    candidates, wanted = choose(project, tree, candidates, tiers)
    configuration = find_configuration(project, tree)
    settings = Found(candidates[0].module, candidates[0].where or candidates[0].guess)
    groups = find_groups(project, tree, requirements.value, kind)
    indexes = find_indexes(project, tree, requirements.value, kind, groups.names)
    python = find_python(project, tree, requirements.value, kind)
    application, interface = find_application(project, tree, settings.value, requirements.value)
    server = find_server(project, tree, settings.value, requirements.value, interface)
    postgresql = find_postgresql(project, tree, settings.value)
    build = find_build(project, tree, settings.value)
    manage = posixpath.join(workdir.value, "manage.py")
    lines = [
        note("source", f"{source.description} at {source.revision[:12]}"),
        note("manage.py", manage, workdir.where),
        *(
            [note("", f"modules are imported from {', '.join(tree.more)}, too")]
            if tree.more
            else []
        ),
        note("settings", settings.value, settings.where),
        *settings_notes(candidates),
        *([note("", f"class {configuration.value}", configuration.where)] if configuration else []),
        note("application", f"{application.value} ({interface})", application.where),
        note("requirements", requirements.all, requirements.where),
        *variables_notes(wanted),
        *group_notes(groups, project),
        *indexes.notes,
        *python_notes(python),
        *([note("server", server.value, server.where)] if server.where else []),
        *postgresql.notes,
        *mail_note(project, tree, settings.value),
        *build.notes,
        *writable_notes(project, tree),
        *other_notes(project, tree),
    ]
    return Detected(
        workdir,
        settings,
        application,
        interface,
        requirements,
        kind,
        server,
        postgresql,
        wanted,
        build,
        tuple(candidates) if len(candidates) > 1 else (),
        configuration.value if configuration else "",
        groups,
        indexes,
        python,
        tree.more,
        (*lines, *source.notes, *size_note(project, source)),
    )


def refuse_server(server: str, detected: Detected, where: str) -> None:
    """Refuse a stated server that does not speak the application's interface."""
    speaks = {"uvicorn": ("asgi",), "uwsgi": ("wsgi",)}.get(server, ("wsgi", "asgi"))
    if detected.interface not in speaks:
        raise ProjectError(
            f"{where}: project.server: {server} runs {speaks[0].upper()} applications, and "
            f"{detected.application.value} is {detected.interface.upper()}: write another server, "
            f"or the project's {speaks[0].upper()} application as `application:`."
        )
