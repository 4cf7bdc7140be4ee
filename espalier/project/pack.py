"""From project.yml to an archive, the four steps in a row."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from espalier.project.archive.build import Archive, build
from espalier.project.cache import archives, hold
from espalier.project.detection.detect import Detected, detect, refuse_server
from espalier.project.detection.settings_choice import refuse_missing
from espalier.project.exported import export
from espalier.project.rules.build_on import refuse_other_machine
from espalier.project.schema import WHERE, Project, check
from espalier.project.source.added import add_files
from espalier.project.source.fetch import fetch
from espalier.project.source.process import Runner, run
from espalier.project.source.tree import Source


@dataclasses.dataclass(frozen=True)
class Packed:
    """What `pack` returns: the result of every step."""

    project: Project
    source: Source
    detected: Detected
    archive: Archive


def pack(
    project: Any,
    base_dir: Path,
    cache_dir: Path,
    overlay_dir: Path,
    extra_requirements: Mapping[str, Sequence[str]] = MappingProxyType({}),
    *,
    tiers: Collection[str] = (),
    run: Runner = run,
    show: Callable[[Sequence[str]], None] = lambda lines: None,
    where: str = WHERE,
    inventory: Path | None = None,
    machines: Collection[str] = (),
) -> Packed:
    """Check, fetch, detect and build.

    Args:
        project: the user's dictionary.
        base_dir: what relative paths in it are relative to.
        cache_dir: mirrors, downloads and archives; made when missing, private.
        overlay_dir: the directory that holds the package `espalier_overlay`.
        extra_requirements: what the kit needs in every virtualenv, by server.
        tiers: those of the site, with which the kit has more to give.
        run: starts git, pip and uv.
        show: gets the detected lines before they are used.
        where: the file to name in sentences.
        machines: those that run Django, of which one may build for the others.
        inventory: what a path after `from:` is relative to; `base_dir`, if none is given.

    Raises:
        ProjectError: from the first step that fails.
    """
    checked = check(project, where)
    refuse_other_machine(checked.build_on, machines, where)
    source = fetch(checked, base_dir, cache_dir, run, where)
    source = add_files(checked, source, inventory or base_dir, where)
    detected = detect(checked, source, where, tiers)
    refuse_server(checked.server, detected, where)
    show(detected.notes)
    refuse_missing(detected.settings.value, detected.wanted, where)
    requirements = export(source, detected, cache_dir, where, run)
    written = {detected.written: requirements} if detected.written else {}
    # Private like the rest of the cache: an archive may hold a project's secrets.
    with hold(cache_dir):
        out = archives(cache_dir)
        archive = build(checked, source, detected, overlay_dir, extra_requirements, out, written)
    return Packed(checked, source, detected, archive)
