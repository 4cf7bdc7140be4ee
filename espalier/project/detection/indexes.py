"""The Python indexes that a lock file was made from, beside the usual one."""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Collection, Iterator
from typing import Any

from espalier.project.detection.locks import manifest_of, pipfile_lock, read_toml
from espalier.project.detection.tree import ProjectTree
from espalier.project.schema import Project
from espalier.project.words import note, without_password

USUAL = "https://pypi.org/simple"
_USUAL = re.compile(r"https?://(pypi\.org|pypi\.python\.org)/simple/?$")


@dataclasses.dataclass(frozen=True)
class Indexes:
    """What machines ask beside their own index, and what to say of it."""

    asked: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_indexes(
    project: Project, tree: ProjectTree, path: str, kind: str, groups: Collection[str]
) -> Indexes:
    """The indexes that have what the usual one lacks, without the logins in their addresses.

    One that the whole lock was made from is a mirror in all likelihood: it stands in the place of
    the machines' own, which is asked instead, and this is said.

    Args:
        project: from `schema.check`; its own `index:` needs no finding.
        tree: the project's files.
        path: the file of the requirements.
        kind: its kind, from `find_requirements`.
        groups: names of groups and extras that are installed too.
    """
    counts = collections.Counter(
        USUAL if _USUAL.match(url) else without_password(url).rstrip("/")
        for url in _named(tree, path, kind, groups)
    )
    if not counts:
        return Indexes()
    stated = {without_password(url).rstrip("/") for url in project.index}
    others = [url for url in counts if url != USUAL and url not in stated]
    usual = USUAL if USUAL in counts or stated else max(counts, key=lambda url: counts[url])
    notes = []
    if usual in others:
        others.remove(usual)
        others_note = f"{path} is made from {usual}, and machines ask their own index instead"
        notes.append(note("note", f"{others_note}: `index:` names one to ask, too"))
    unclear = [url for url in others if not re.fullmatch(r"https?://[^$\s]+", url)]
    notes += [
        note("note", f"{path} names the index {url}, which is left out: write it as `index:`")
        for url in unclear
    ]
    asked = [url for url in others if url not in unclear]
    notes += [note("index", url, f"{path}; it is asked too") for url in asked]
    return Indexes(tuple(asked), tuple(notes))


def _named(tree: ProjectTree, path: str, kind: str, groups: Collection[str]) -> Iterator[str]:
    """The address of the index of each package, as far as the lock tells."""
    if kind == "uv.lock":
        sources = (one.get("source", {}) for one in _installed(tree, path, groups))
        yield from (one["registry"] for one in sources if "registry" in one)
    elif kind == "poetry.lock":
        for package in read_toml(tree, path).get("package", ()):
            source = package.get("source", {"type": "legacy", "url": USUAL})
            if source.get("type") == "legacy":
                yield source["url"]
    elif kind == "Pipfile.lock":
        lock = pipfile_lock(tree, path)
        urls = {one["name"]: one["url"] for one in lock.get("_meta", {}).get("sources", ())}
        for entry in lock.get("default", {}).values():
            if entry.get("index") in urls:
                yield urls[entry["index"]]
    elif kind == "pdm.lock":
        tool = read_toml(tree, manifest_of(path)).get("tool", {}).get("pdm", {})
        known = {"pypi": USUAL}
        known.update((one.get("name", ""), one.get("url", "")) for one in tool.get("source", ()))
        yield from known.values()


def _installed(tree: ProjectTree, path: str, groups: Collection[str]) -> list[dict[str, Any]]:
    """The packages of a uv.lock that the project and the named groups come to; else all."""
    packages = read_toml(tree, path).get("package", ())
    by_name = collections.defaultdict(list)
    for one in packages:
        by_name[one["name"]].append(one)
    here = [one for one in packages if "." in one.get("source", {}).values()]
    waiting = [(one["name"], part) for one in here for part in ("", *groups)]
    seen = set[tuple[str, str]]()
    while waiting:
        if (pair := waiting.pop()) in seen:
            continue
        seen.add(pair)
        name, part = pair
        for package in by_name[name]:
            for one in _dependencies(package, part):
                waiting += [(one["name"], extra) for extra in ("", *one.get("extra", ()))]
    return [one for one in packages if not here or (one["name"], "") in seen]


def _dependencies(package: dict[str, Any], part: str) -> list[dict[str, Any]]:
    """What a package of a uv.lock depends on; `part`: one of its extras or groups, or ""."""
    if not part:
        return list(package.get("dependencies", ()))
    kinds = ("optional-dependencies", "dev-dependencies")
    return [one for kind in kinds for one in package.get(kind, {}).get(part, ())]
