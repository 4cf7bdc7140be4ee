"""What the project says by itself: what runs it, a name for it, where its repository is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espalier.inventory.site import SiteError
from espalier.project.cache import CACHE
from espalier.project.detection.detect import detect
from espalier.project.detection.settings_choice import switch_sentences
from espalier.project.errors import ProjectError
from espalier.project.rules.basics import InvalidValue
from espalier.project.schema import check, name_of
from espalier.project.source.fetch import fetch
from espalier.project.source.process import Runner, run
from espalier.scaffold.answers import Source, without_login
from espalier_machine.common.variables import Variable

WHERE = "project.yml"


@dataclass(frozen=True)
class Seen:
    """What was found in a project.

    Attributes:
        notes: what was detected, in lines for people.
        missing: sentences for what the inventory has to say beside it.
        required: variables that the settings do not load without, and that nobody gives yet.
    """

    notes: Sequence[str]
    missing: Sequence[str] = ()
    required: Sequence[Variable] = ()


def look(
    source: Source, root: Path, cache: Path = CACHE, run: Runner = run, name: str = ""
) -> Seen:
    """Fetch a project and look what runs it.

    Args:
        source: where it is.
        root: what a relative directory is relative to.
        cache: where mirrors and downloads are kept.
        run: starts git and pip.
        name: of the project, which may stand before the names of its variables.

    Raises:
        SiteError: there is no Django project, or it cannot be fetched.
    """
    stated: dict[str, Any] = {source.key: source.value, "name": name or "site_to_be"}
    if source.version:
        stated["version"] = source.version
    if source.key == "directory":
        must_be_near(root, "`--git URL` or `--package NAME`")
    project = check(stated, WHERE)
    found = fetch(project, root, cache.expanduser(), run, WHERE)
    try:
        detected = detect(project, found, WHERE)
        wanted = detected.wanted
        asked = [one for one in wanted.required if one.name not in wanted.switches]
        to_switch = switch_sentences(detected.settings.value, wanted)
        return Seen(detected.notes, tuple(to_switch), asked)
    except ProjectError as error:
        return Seen(found.notes, (str(error),))


def must_be_near(root: Path, otherwise: str) -> None:
    """Refuse a directory without a manage.py near, before all of it is read.

    Args:
        root: the directory; a person's home is none, whatever it holds.
        otherwise: what to write for code that is elsewhere.

    Raises:
        SiteError: there is none in it, or up to three directories below.
    """
    near = ("", "*/", "*/*/", "*/*/*/")
    if root == Path.home() or not any(any(root.glob(f"{at}manage.py")) for at in near):
        raise SiteError(
            f"{root} holds no Django project: there is no manage.py in it, or up to three "
            "directories below. Go to your project's directory first, or say where the code is: "
            f"{otherwise}.",
            2,
        )


def suggest_name(source: Source, root: Path, origin: str) -> str:
    """A name for the project, from its source; "" where none of them can be one."""
    for one in (str(root), origin) if source.key == "directory" else (source.value,):
        try:
            return name_of(one)
        except InvalidValue:
            continue
    return ""


def origin(root: Path, run: Runner = run) -> str:
    """The URL of the project's git repository, without any password; "" for none."""
    done = run(["git", "-C", str(root), "remote", "get-url", "origin"])
    return without_login(done.stdout.strip()) if done.returncode == 0 else ""
