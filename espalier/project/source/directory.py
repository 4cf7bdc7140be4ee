"""A project in a directory of this machine, with or without git."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from espalier.project.errors import ProjectError
from espalier.project.schema import Project
from espalier.project.source.process import Runner
from espalier.project.source.tree import Skipped, Source, digest_of, scan, walk
from espalier.project.words import last_line, note


def fetch_directory(project: Project, base_dir: Path, run: Runner, where: str) -> Source:
    """The files of `directory:`; the revision is the beginning of their digest. See `fetch`."""
    tree = Path(os.path.normpath(base_dir / Path(project.directory).expanduser()))
    key = f"{where}: project.directory"
    if not tree.is_dir():
        what = "is a file" if tree.exists() else "does not exist"
        raise ProjectError(
            f"{key}: {project.directory} {what} (looked at {tree}): write the directory that holds "
            f"the project, absolute or relative to {base_dir}."
        )
    notes: list[str] = []
    paths = _list_directory(tree, run, notes, key)
    if not paths:
        raise ProjectError(f"{key}: {tree} is empty: write the directory that holds manage.py.")
    files = scan(tree, paths, key)
    return Source(
        tree, files, digest_of(files)[:12], f"directory {project.directory}", tuple(notes)
    )


def _list_directory(tree: Path, run: Runner, notes: list[str], key: str) -> list[str]:
    """The project's own files: what git would commit, or what is there when git is not used."""

    def listed(option: str) -> list[str]:
        argv = ["git", "-C", str(tree), "ls-files", option, "-z", "--exclude-standard"]
        result = run(argv)
        if result.returncode == 0:
            return [path for path in result.stdout.split("\0") if path]
        if result.returncode == 127 or "not a git repository" in result.stderr:
            raise LookupError
        raise ProjectError(f"{key}: git cannot list {tree}: {last_line(result.stderr)}")

    try:
        tracked = listed("--cached")
        others = listed("--others")
    except LookupError:
        if (tree / ".gitignore").exists():
            notes.append(note("note", ".gitignore is not followed: this is no git repository"))
        return walk(tree, skip=True)
    skipped = Skipped(tree)
    result: list[str] = []
    for path in dict.fromkeys(tracked + [one for one in others if not skipped(one)]):
        full = tree / path
        if full.is_dir() and not full.is_symlink():
            # A submodule, or a repository inside this one: git names only the directory.
            if not (full / ".git").exists():
                notes.append(note("warning", f"the git submodule {path} is not fetched"))
                continue
            inner = _list_directory(full, run, notes, key)
            result += [posixpath.join(path, one) for one in inner]
        elif os.path.lexists(full):
            result.append(path)
    # Everything ignored: the directory is an ignored corner of a repository around it.
    return result or walk(tree, skip=True)
