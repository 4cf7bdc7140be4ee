"""Loads the settings of a new release: the first of its candidates that loads is taken.

Settings that lack variables are loaded again with stand-ins, so that all are asked for at once. A
stand-in is in the environment of that one process; no release is made with it.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from espalier_machine.common import templates
from espalier_machine.common.excerpt import error_line
from espalier_machine.common.text import last_line
from espalier_machine.common.variables import Variable, demand, kind_of_code
from espalier_machine.release.environment import format_environment
from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.explain import explain_django
from espalier_machine.release.machine import Machine
from espalier_machine.release.native import with_packages
from espalier_machine.release.record import Release
from espalier_machine.release.scripts import release_environment
from espalier_machine.release.virtualenv import with_dropped_modules

MARK = "espalier-missed: "
# By kind, values that settings can do something with; the next one where they cannot.
STAND_INS = {
    "text": ("stand-in", "1", "https://stand-in.invalid/", "{}", "a.b.C"),
    "URL": ("https://stand-in.invalid/", "locmem://", "consolemail://", "sqlite://:memory:"),
    "list": ("stand-in",),
    "JSON": ("{}", "[]"),
}
MOST_VARIABLES = 60
_DJANGO = re.compile(r"\bmanage\.py\b|\bdjango-admin\b|\bpython3?\b")
# What no variable mends.
_OTHER = re.compile(r"ModuleNotFoundError|ImportError|SyntaxError|FileNotFoundError")


@dataclasses.dataclass(eq=False)
class Unloadable(Exception):
    """Settings that did not load: why, and what they looked up in vain, the last one last."""

    error: ReleaseError
    missed: Mapping[str, Variable]

    @property
    def cause(self) -> str:
        """The line that names the error."""
        return error_line(self.error.detail)

    def missing(self) -> Variable | None:
        """The variable that it failed for, probably: one that the error names, else the last."""
        if not self.missed or _OTHER.match(self.cause):
            return None
        named = [n for n in self.missed if re.search(rf"\b{re.escape(n)}\b", self.error.detail)]
        return self.missed[(named or list(self.missed))[-1]]


def load_settings(machine: Machine, release: Release, of_site: str = "") -> dict[str, Any]:
    """Load the release's settings, and take the first of several candidates that loads.

    Args:
        machine: this one.
        release: the one that is built; its record names the settings that were taken.
        of_site: the settings of the site's other machines, where this one has none live.

    Returns:
        What the settings say about static files.

    Raises:
        ReleaseError: none loads; it names every variable that is missing.
    """
    candidates = _candidates(machine, release, of_site)
    failed: dict[str, Unloadable] = {}
    for name in candidates:
        try:
            found = check(machine, release, name)
        except Unloadable as error:
            failed[name] = error
            # What nothing names was a guess; but what is named is meant, and only lacks variables.
            if candidates[name] and error.missing():
                asked = ask_for_all(machine, release, name, error)
                if asked is not error.error:
                    raise asked from error
            continue
        _take(machine, release, name)
        for other, failure in failed.items():
            machine.progress.tell(f"{other} does not load here: {failure.cause}")
        if len(candidates) > 1:
            machine.progress.note(f"the settings are {name}")
        return found
    name, failure = next(
        ((name, one) for name, one in failed.items() if one.missing()), next(iter(failed.items()))
    )
    raise ask_for_all(machine, release, name, failure)


def choose_settings(machine: Machine, release: Release, of_site: str = "") -> None:
    """Take the first candidate that loads by now, for the build's commands that run Django.

    That none does is no error: settings may read what the build makes, and are loaded after it.
    """
    commands = release.record.get("build", {}).get("commands", ())
    if not release.record.get("candidates") or not any(map(_DJANGO.search, commands)):
        return
    with machine.progress.step("check", "choose settings for the build"):
        for name in _candidates(machine, release, of_site):
            with suppress(Unloadable):
                check(machine, release, name)
                _take(machine, release, name)
                return


def _candidates(machine: Machine, release: Release, of_site: str) -> dict[str, str]:
    """The settings to try, each with what names it; a site's own first, as it keeps them."""
    record = release.record
    candidates = dict(record.get("candidates") or [[record["settings"], "build.json"]])
    live = machine.live()
    first = live.record["settings"] if live else of_site
    return {name: candidates[name] for name in sorted(candidates, key=lambda one: one != first)}


def _take(machine: Machine, release: Release, name: str) -> None:
    """Have the release run with these settings."""
    if name == release.record["settings"]:
        return
    release.record["settings"] = name
    text = format_environment(release_environment(release.record, release.path))
    with machine.as_user():
        (release.path / "release.env").write_text(text)


def check(
    machine: Machine,
    release: Release,
    settings: str,
    stand_ins: Mapping[str, str] | None = None,
    *,
    alone: bool = False,
) -> dict[str, Any]:
    """Load settings in a process of their own, perhaps with stand-ins; `alone`: without the apps.

    Raises Unloadable.
    """
    script = templates.read(__package__, "settings_check.py")
    argv = [release.python, "-c", script, str(release.path / "code")]
    argv += ["--settings"] if alone else []
    own = release_environment(release.record | {"settings": settings}, release.path)
    env = machine.environment(release) | own | dict(stand_ins or {})
    explain = explain_django(f"the settings {settings} do not load here")
    told: list[str] = []

    def explain_and_note(output: str) -> str:
        told.extend(re.findall(rf"(?m)^{MARK}(.*)$", output))
        return explain(re.sub(rf"(?m)^{MARK}.*\n", "", output))

    def load() -> str:
        return machine.run(argv, "check", explain_and_note, env, release.workdir)

    try:
        # A library of Debian's that is missing, or a module that Python has dropped, is found out
        # now, and installed.
        out = with_packages(machine, lambda: with_dropped_modules(machine, release, load))
    except ReleaseError as error:
        error.detail = re.sub(rf"(?m)^{MARK}.*\n", "", error.detail)
        missed = {
            name: Variable(name, kind_of_code(text), where)
            for name, where, text in (json.loads(told[-1]) if told else ())
        }
        raise Unloadable(error, missed) from error
    return {} if alone else json.loads(last_line(out))


def ask_for_all(
    machine: Machine, release: Release, settings: str, failure: Unloadable
) -> ReleaseError:
    """The error that names every variable that is missing; or the failure, where none is."""
    first, last = failure.error, failure
    # Settings that load by themselves are not what fails: an app is, perhaps for a variable.
    alone = False
    try:
        check(machine, release, settings, alone=True)
    except Unloadable as of_settings:
        alone, last = True, of_settings
    needed: dict[str, Variable] = {}
    values: dict[str, str] = {}
    for _ in range(MOST_VARIABLES):
        variable = last.missing()
        if variable is None or variable.name in needed:
            break
        for value in STAND_INS.get(variable.kind, ("1",)):
            values[variable.name] = value
            try:
                check(machine, release, settings, values, alone=alone)
            except Unloadable as next_one:
                changed = next_one.cause != last.cause
                more = next_one.missing()
                if changed and more and more.name not in values:
                    needed[variable.name], last = variable, next_one
                    break
                if changed:
                    needed[variable.name] = variable  # it did matter, whatever is wrong now
                continue
            needed[variable.name] = variable
            return ReleaseError("check", demand(settings, list(needed.values())))
        else:
            break  # nothing that could stand for it mends the settings
    if not needed:
        return first
    return ReleaseError("check", demand(settings, list(needed.values())), last.error.detail)
