"""Bring a project's files to this machine, wherever they are."""

from __future__ import annotations

from pathlib import Path

from espalier.project.cache import hold, mirrors, packages
from espalier.project.schema import WHERE, Project
from espalier.project.source.directory import fetch_directory
from espalier.project.source.git import fetch_git
from espalier.project.source.package import fetch_package
from espalier.project.source.process import Runner, run
from espalier.project.source.tree import Source


def fetch(
    project: Project, base_dir: Path, cache_dir: Path, run: Runner = run, where: str = WHERE
) -> Source:
    """Bring the project's files to this machine.

    Args:
        project: from `schema.check`.
        base_dir: what a relative directory or git path is relative to.
        cache_dir: git mirrors and downloaded packages stay here; made when missing, private.
        run: starts git and pip; has the shape of `process.run`.
        where: the file to name in sentences.

    Raises:
        ProjectError: when there is nothing to fetch there, or it cannot be reached.
    """
    if project.directory:
        return fetch_directory(project, base_dir, run, where)
    with hold(cache_dir):
        if project.git:
            return fetch_git(project, base_dir, mirrors(cache_dir), run, where)
        return fetch_package(project, packages(cache_dir), run, where)
