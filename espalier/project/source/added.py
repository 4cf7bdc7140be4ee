"""Files that are not in the source, which project.yml puts into the tree: `files:`.

They may be secrets: no digest of theirs that could be guessed at leaves here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from espalier.project.errors import ProjectError
from espalier.project.schema import Project
from espalier.project.source.tree import File, Source, sha256
from espalier.project.words import note

MODE = 0o640
VAULT = b"$ANSIBLE_VAULT;"
# OWASP's password storage cheat sheet, for PBKDF2 with HMAC-SHA256: 0.2 s.
ITERATIONS = 600_000


def add_files(project: Project, source: Source, inventory: Path, where: str) -> Source:
    """The source with what `files:` says, as detection and the archive are to see it.

    Args:
        project: from `schema.check`.
        source: from `fetch.fetch`.
        inventory: the directory that `from:` is relative to.
        where: the file to name in sentences.

    Raises:
        ProjectError: a file is not there, or its path is taken in the source.
    """
    if not project.files:
        return source
    added = {
        path: _content(path, stated, inventory, where) for path, stated in project.files.items()
    }
    by_path = {file.path: file for file in source.files}
    for path in added:
        _refuse_taken(path, by_path, where)
    notes = [
        note("files", f"{path} ({_origin(stated)}{', in place of its own' * (path in by_path)})")
        for path, stated in project.files.items()
    ]
    by_path |= {path: File(path, MODE, sha256(content)) for path, content in added.items()}
    return dataclasses.replace(
        source,
        files=tuple(by_path[path] for path in sorted(by_path)),
        notes=(*source.notes, *notes),
        added=added,
    )


def digest(project: str, added: Mapping[str, bytes]) -> str:
    """A slow hash over paths and contents, 64 hexadecimal digits.

    The identity of a release is no secret (its id shows a part), and all else that goes into the
    identity may be known: with a plain hash, a short secret could be found by trying.
    """
    total = hashlib.sha256()
    for path, content in sorted(added.items()):
        total.update(os.fsencode(path) + b"\0" + hashlib.sha256(content).digest())
    return hashlib.pbkdf2_hmac("sha256", total.digest(), project.encode(), ITERATIONS).hex()


def _content(path: str, stated: Mapping[str, str], inventory: Path, where: str) -> bytes:
    if "content" in stated:
        return stated["content"].encode()
    file = Path(os.path.normpath(inventory / Path(stated["from"]).expanduser()))
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ProjectError(
            f"{where}: project.files: {path} comes from {stated['from']}, and {file} cannot be "
            f"read: {error.strerror}. Write a path relative to {inventory}, or an absolute one."
        ) from None
    if content.startswith(VAULT):
        raise ProjectError(
            f"{where}: project.files: {path} comes from {stated['from']}, which ansible-vault has "
            "encrypted: have Ansible decrypt it, "
            f"`{path}: \"{{{{ lookup('ansible.builtin.file', '{file}', rstrip=false) }}}}\"`."
        )
    return content


def _refuse_taken(path: str, files: Mapping[str, File], where: str) -> None:
    parents = [str(parent) for parent in Path(path).parents if str(parent) != "."]
    taken = next((parent for parent in parents if parent in files), "")
    if not taken and any(one.startswith(f"{path}/") for one in files):
        raise ProjectError(
            f"{where}: project.files: {path} is a directory of the project: write the path of a "
            "file."
        )
    if taken or (path in files and files[path].link):
        kind = "a symbolic link" if files[taken or path].link else "a file"
        raise ProjectError(
            f"{where}: project.files: {taken or path} is {kind} in the project, so that {path} "
            "cannot be put there: write another path."
        )


def _origin(stated: Mapping[str, str]) -> str:
    return f"from {stated['from']}" if "from" in stated else "from project.yml"
