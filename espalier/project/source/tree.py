"""A tree of files: which ones belong to a project, and a digest of what they hold."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import posixpath
import re
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from espalier.project.errors import ProjectError
from espalier.project.words import word_set
from espalier_machine.common.text import decoded

# Never part of a project, unless the project's git repository tracks them.
SKIPPED_DIRECTORIES = word_set(
    ".git .hg .svn __pycache__ node_modules .tox .nox .mypy_cache .pytest_cache .ruff_cache"
)
SKIPPED_FILES = (".pyc", ".pyo", ".DS_Store")
# Where the kit keeps passwords and recordings, beside an inventory: never packed.
PRIVATE = (".secrets", ".measurements")
# What makes a directory an inventory of this kit. It may lie in the project, and is none of its
# code: another password in its vault makes no other release.
TOPOLOGY_FILES = ("topology.yml", "topology.yaml")
TOPOLOGY = re.compile(r"^plugin: *topology\b", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class File:
    """One file of a tree: its path below it, and what makes its content its own."""

    path: str
    mode: int  # 0o644 or 0o755; 0o640 for one of `files:` in project.yml
    digest: str  # sha256 of the content, hexadecimal; of the target for a link
    link: str = ""  # the target, for a symbolic link


@dataclasses.dataclass(frozen=True)
class Source:
    """The project's files on this machine.

    `files` are sorted by path. For a package they are only the files that detection reads.
    """

    tree: Path
    files: tuple[File, ...]
    revision: str
    description: str
    notes: tuple[str, ...] = ()
    # Of `files`, those that are not on disk, or not what is there: `files:` of project.yml.
    added: Mapping[str, bytes] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def paths(self) -> frozenset[str]:
        """The paths of all files, relative to `tree`, with slashes."""
        return frozenset(file.path for file in self.files)

    def read(self, path: str) -> str:
        """The text of one file; what is no text is replaced, and a missing file is empty."""
        try:
            content = self.added[path] if path in self.added else (self.tree / path).read_bytes()
        except OSError:
            return ""
        return decoded(content, errors="replace")


class Skipped:
    """Says whether an untracked path is a cache, a virtualenv or the like."""

    def __init__(self, tree: Path) -> None:
        """Take the tree that paths are relative to."""
        self.tree = tree
        self.known: dict[str, bool] = {"": False}

    def __call__(self, path: str) -> bool:
        """Whether the path, or a directory above it, is none of the project's."""
        path = path.rstrip("/")
        name = posixpath.basename(path)
        if path not in self.known:
            self.known[path] = (
                self(posixpath.dirname(path))
                or name in SKIPPED_DIRECTORIES
                or name.endswith(SKIPPED_FILES)
                or (self.tree / path / "pyvenv.cfg").exists()
            )
        return self.known[path]


def walk(tree: Path, *, skip: bool) -> list[str]:
    """Every file and link below `tree`; without caches and virtualenvs when `skip`."""
    skipped = Skipped(tree) if skip else lambda path: False
    result: list[str] = []
    for root, directories, names in os.walk(tree):
        base = Path(root).relative_to(tree)
        below = {name: (base / name).as_posix() for name in directories + names}
        links = [name for name in directories if os.path.islink(os.path.join(root, name))]
        result += [below[name] for name in names + links if not skipped(below[name])]
        directories[:] = [n for n in directories if n not in links and not skipped(below[n])]
    return result


def scan(tree: Path, paths: Iterable[str], key: str) -> tuple[File, ...]:
    """Hash every file of the tree; pipes, sockets, inventories and secrets are left out.

    Args:
        tree: the directory.
        paths: what belongs to it, relative to `tree`.
        key: the beginning of a sentence: the file and the key that name this tree.

    Raises:
        ProjectError: for a link that leaves the tree, or a file that cannot be read.
    """
    files: list[File] = []
    real_tree = os.path.realpath(tree)
    wanted = sorted(set(paths))
    inventories = _inventories(tree, wanted)
    for path in wanted:
        if any(one in PRIVATE for one in path.split("/")) or path.startswith(inventories):
            continue
        full = tree / path
        try:
            status = full.lstat()
            if stat.S_ISLNK(status.st_mode):
                target = os.readlink(full)
                _refuse_outside(real_tree, path, target, key)
                files.append(File(path, 0o644, sha256(os.fsencode(target)), target))
            elif stat.S_ISREG(status.st_mode):
                with full.open("rb") as content:
                    digest = hashlib.file_digest(content, "sha256").hexdigest()
                files.append(File(path, _mode(status.st_mode), digest))
        except OSError as error:
            raise ProjectError(f"{key}: {full} cannot be read: {error.strerror}.") from None
    return tuple(files)


def _inventories(tree: Path, paths: Iterable[str]) -> tuple[str, ...]:
    """The directories of a tree, but for the tree itself, that are inventories of this kit."""
    found = []
    for path in paths:
        folder, _, name = path.rpartition("/")
        if folder and name in TOPOLOGY_FILES and (tree / path).is_file():
            text = (tree / path).read_text("utf-8", errors="replace")
            found += [f"{folder}/"] if TOPOLOGY.search(text) else []
    return tuple(found)


def _refuse_outside(real_tree: str, path: str, target: str, key: str) -> None:
    lexical = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    # Both are needed: `..` behind a linked directory is not where the text says it is.
    real = os.path.realpath(os.path.join(real_tree, path))
    outside = os.path.commonpath([real_tree, real]) != real_tree
    if target.startswith("/") or lexical.split("/")[0] == ".." or outside:
        raise ProjectError(
            f"{key}: {path} is a link to {target}, outside the project, where no machine would "
            "find it: replace it by the files or a relative link, or list it in .gitignore."
        )


def _mode(mode: int) -> int:
    return 0o755 if mode & stat.S_IXUSR else 0o644


def sha256(content: bytes) -> str:
    """The sha256 of some bytes, 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def digest_of(files: Iterable[File]) -> str:
    """One sha256 over names, modes, kinds and contents; `files` sorted by path."""
    total = hashlib.sha256()
    for file in files:
        kind = "link" if file.link else f"{file.mode:o}"
        total.update(f"{kind} {file.digest} ".encode() + os.fsencode(file.path) + b"\0")
    return total.hexdigest()
