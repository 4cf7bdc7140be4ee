"""The archive of a release: written once for the same content."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from espalier.project.archive.content import code, generated, overlay
from espalier.project.archive.record import record
from espalier.project.archive.write import write
from espalier.project.cache import IDENTITY_LENGTH, prune
from espalier.project.detection.detect import Detected
from espalier.project.schema import Project
from espalier.project.source.added import digest
from espalier.project.source.tree import Source, digest_of, sha256
from espalier_machine.common.forms import archive_name


@dataclasses.dataclass(frozen=True)
class Archive:
    """A release's content as one file, and its build.json."""

    path: Path
    identity: str  # hexadecimal digits: the same content has the same identity
    build: dict[str, Any]  # what is in build.json


def build(
    project: Project,
    source: Source,
    detected: Detected,
    overlay_dir: Path,
    extra_requirements: Mapping[str, Sequence[str]],
    out_dir: Path,
    written: Mapping[str, str] = MappingProxyType({}),
) -> Archive:
    """Write the archive, unless the same content is there already.

    Args:
        project: from `schema.check`.
        source: from `fetch.fetch`.
        detected: from `detect.detect`.
        overlay_dir: the directory that holds the package `espalier_overlay`.
        extra_requirements: the kit's own by server; the project's win for the same name.
        written: text by path: files that the kit puts beside the project's.
        out_dir: where the archive goes; the newest few of each project stay there.

    Raises:
        ProjectError: when the overlay is missing or a file changes while it is packed.
    """
    entries = [*code(project, source, detected, written), *overlay(overlay_dir)]
    private = {f"code/{path}" for path in source.added}
    content = digest_of(entry.file for entry in entries if entry.file.path not in private)
    if source.added:
        content += digest(project.name, source.added)
    build_json = record(project, source, detected, extra_requirements)
    everything = f"{content} {json.dumps(build_json, sort_keys=True)}"
    identity = sha256(everything.encode())[:IDENTITY_LENGTH]
    build_json["identity"] = identity
    path = out_dir / archive_name(project.name, identity)
    out_dir.mkdir(parents=True, exist_ok=True)
    if path.exists():
        os.utime(path)
    else:
        text = (json.dumps(build_json, indent=2, sort_keys=True) + "\n").encode()
        write(path, [generated("build.json", text), *entries])
    # No other project's: a name holds no dash.
    prune(out_dir.glob(archive_name(project.name, "*")))
    return Archive(path, identity, build_json)
