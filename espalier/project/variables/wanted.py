"""What the settings want of the environment: what the kit gives, and what only the user knows."""

from __future__ import annotations

import collections
import dataclasses
import posixpath
import re
from collections.abc import Collection, Mapping
from typing import Any

from espalier.project.detection.tree import ProjectTree
from espalier.project.variables.given import CONSTANTS, kit_variable, switch_for
from espalier.project.variables.interpret import Interpreter
from espalier.project.variables.read import Read
from espalier.project.variables.values import UNKNOWN, Given, Missing
from espalier_machine.common.variables import Variable

# What is in the environment of every process, whatever a project says.
ALWAYS = {"PATH", "HOME", "USER", "LOGNAME", "LANG", "DJANGO_SETTINGS_MODULE", "PYTHONPATH"}
ALWAYS |= {"DATABASE_URL", "SECRET_KEY", "ESPALIER_RELEASE"}
_REDIS_LOGIN = {"ESPALIER_QUEUE_USER", "ESPALIER_QUEUE_PASSWORD"}
_REDIS_PARTS = {"ESPALIER_QUEUE_HOST", "ESPALIER_QUEUE_PORT", *_REDIS_LOGIN}
_DOTENV = re.compile(r"(?m)^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=")


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What the settings want.

    Attributes:
        required: variables that the settings do not load without, and that nobody gives.
        given: a variable of the settings -> the kit's that it stands for. A machine that does not
            have the kit's (as a tier is off) leaves what the settings say.
        shown: those of `given` that the machine will have.
        switches: a required variable -> what to switch on, for the kit to give it.
    """

    required: tuple[Variable, ...] = ()
    given: Mapping[str, str] = dataclasses.field(default_factory=dict)
    shown: tuple[str, ...] = ()
    switches: Mapping[str, str] = dataclasses.field(default_factory=dict)


def find_wanted(
    tree: ProjectTree,
    settings: str,
    project: str,
    environment: Mapping[str, str],
    on: Collection[str],
) -> Wanted:
    """Read what the settings want of the environment; no code of the project runs.

    Args:
        tree: the project's files.
        settings: the settings module.
        project: the name of the project.
        environment: what project.yml gives.
        on: tiers, and keys of project.yml with which more is given.
    """

    own = {project, settings.partition(".")[0]}
    interpreter = _follow(tree, settings, own, environment, on)
    if (prefix := _common_prefix(interpreter.reads)) and prefix not in own:
        own.add(prefix)
        interpreter = _follow(tree, settings, own, environment, on)
    files = interpreter.files
    in_files = _in_files(tree, files)
    reads = [
        read
        for read in interpreter.reads.values()
        if read.name not in environment and read.name not in ALWAYS
    ]
    # Also those that a file of the project gives: it is a developer's, and the environment wins.
    stands_for = {
        read.name: kit_variable(read, own, interpreter.compared.get(read.name, ()))
        for read in reads
    }
    given = {name: variable for name, variable in stands_for.items() if variable}
    if not set(given.values()) >= _REDIS_LOGIN:  # the kit's redis lets nobody in without both
        given = {name: one for name, one in given.items() if one not in _REDIS_PARTS}
    shown = tuple(sorted(name for name, one in given.items() if not switch_for(one, on)))
    if any(word.startswith(("/", "~")) and len(word) > 1 for word in files):
        return Wanted((), given, shown)  # a file of the machine's own may have everything
    required = tuple(
        Variable(read.name, read.kind, read.where)
        for read in reads
        if read.required and read.name not in shown and read.name not in in_files
    )
    switches = {
        one.name: write
        for one in required
        if one.name in given and (write := switch_for(given[one.name], on))
    }
    return Wanted(required, given, shown, switches)


def _follow(
    tree: ProjectTree,
    settings: str,
    own: Collection[str],
    environment: Mapping[str, str],
    on: Collection[str],
) -> Interpreter:
    """Follow the settings as Python would import them; `own` names may stand before a variable."""

    def lookup(name: str, kind: str) -> Any:
        if name in environment:
            return UNKNOWN if "{{" in environment[name] else environment[name]
        if name in ALWAYS or name.startswith("ESPALIER_"):
            return UNKNOWN
        read = interpreter.reads.get(name, Read(name, kind, False, False, ""))
        variable = kit_variable(read, own)
        if variable and not switch_for(variable, on):
            return Given(CONSTANTS[variable], name) if variable in CONSTANTS else UNKNOWN
        return UNKNOWN if name in _in_files(tree, interpreter.files) else Missing(name)

    interpreter = Interpreter(tree, lookup)
    interpreter.import_parents(settings)
    interpreter.run(settings)
    return interpreter


def _common_prefix(names: Collection[str]) -> str:
    """The first word of nearly all of many variables, which is the project's own; else ""."""
    words = collections.Counter(name.partition("_")[0] for name in names if "_" in name)
    word, count = max(words.items(), key=lambda pair: pair[1], default=("", 0))
    return word if count >= 6 and count * 4 > len(names) * 3 else ""


def _in_files(tree: ProjectTree, files: Collection[str]) -> set[str]:
    """Variables in the files that the settings read, if these are a part of the project."""
    names = {posixpath.basename(file) for file in files} | {".env", "settings.ini"}
    found: set[str] = set()
    for path in tree.paths:
        if posixpath.basename(path) in names and not path.endswith(".py"):
            near = posixpath.basename(path) not in (".env", "settings.ini") or path.count("/") <= 2
            found |= set(_DOTENV.findall(tree.read(path))) if near else set()
    return found
