"""Which settings a project may mean for a server, the likeliest first.

Production before base before development; of these, what its deployment files name comes first.
Production that nobody names is a guess: it comes behind what is named, but before development, and
so does a base. What tests run is left out. The machine takes the first that loads there.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence

from espalier.project.detection.tree import Found, ProjectTree, is_foreign, nearest
from espalier.project.rules.basics import DOTTED
from espalier.project.words import word_set

# What builds or runs a project elsewhere, and names the settings for it.
DEPLOYMENT = re.compile(
    r"(?:.*/)?(?:(?:[\w.-]*\.)?Dockerfile[\w.-]*|Containerfile|Procfile[\w.-]*|app\.(?:json|ya?ml)"
    r"|(?:docker-)?compose[\w.-]*\.ya?ml|production\.ya?ml|nixpacks\.toml|railpack\.json|fly\.toml"
    r"|railway\.(?:json|toml)|render\.ya?ml|heroku\.ya?ml|runtime\.ya?ml|[\w.@-]+\.service"
    r"|(?:entrypoint|start|run|deploy|gunicorn)[\w.-]*|uwsgi[\w.-]*\.(?:ini|ya?ml))"
)
# What tests a project; what these name counts only where nothing else names any.
_TESTING = re.compile(
    r"tox\.ini|setup\.cfg|pytest\.ini|pyproject\.toml|\.gitlab-ci\.ya?ml|\.travis\.ya?ml"
    r"|\.circleci/config\.ya?ml|\.github/workflows/[\w.-]+\.ya?ml"
)
_NAMED = re.compile(
    rf"(?:DJANGO_SETTINGS_MODULE[\"']?\s*[:=,]?\s*(?:\{{\s*[^}}]*?[\"']value[\"']\s*:\s*)?"
    rf"(?:\$\{{\w+:?-)?|--settings[= ])[\"']?({DOTTED})"
)
_DJANGOS = re.compile(r"(?m)^\s*(?:INSTALLED_APPS|ROOT_URLCONF)\b|^from\s+\S+\s+import\s+\*")
# Settings that only collect files while an image is built are not those that run in it.
_BUILDING = re.compile(r"\b(?:collectstatic|compress|compilemessages)\b")
# How far down files of these names are looked for: compose/production/django/Dockerfile.
_DEEPEST = 4
_LARGEST = 200_000  # characters; no file that people write for this is as long

PRODUCTION = word_set("production prod product live deploy deployment heroku server")
BASE = word_set("base common main default defaults settings")
DEVELOPMENT = word_set("dev devel develop developer development local localhost debug sandbox")
TESTING = word_set("test tests testing ci travis pytest tox")


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A settings module, and what names it; "" where it only lies beside another one."""

    module: str
    where: str = ""

    @property
    def rank(self) -> int:
        """0 for production, 1 for what says nothing, 2 for development, 3 for tests."""
        words = set(re.split(r"[._]", self.module.lower()))
        if words & TESTING or self.last & {"example", "sample", "template"}:
            return 3
        return 2 if self.last & DEVELOPMENT else 0 if self.last & PRODUCTION else 1

    @property
    def guess(self) -> str:
        """Why it is one although nothing names it."""
        return "the name says production" if self.rank == 0 else "no file names one for a server"

    @property
    def last(self) -> set[str]:
        """The words of the module's own name."""
        return set(self.module.rpartition(".")[2].lower().split("_"))

    @property
    def order(self) -> tuple[int, bool, bool, bool]:
        """The sort key: a guess at production comes behind what is named and not development."""
        plain = bool(self.last & {"production", "prod"})  # before heroku, deploy, …
        return max(self.rank, 0 if self.where else 1), not self.where, self.rank > 0, not plain


def is_for_development(module: str) -> bool:
    """Whether a settings module is for a developer's own machine, to judge by its name."""
    return Candidate(module).rank >= 2


def rank(tree: ProjectTree, named: Sequence[Found]) -> list[Candidate]:
    """The settings modules that a project may mean, the likeliest first.

    Args:
        tree: the project's files.
        named: what wsgi.py, asgi.py and manage.py name, with the file and line, in that order.

    Returns:
        One where there is no doubt; none where there is none at all.
    """
    candidates = [Candidate(one.value, one.where) for one in named if tree.module(one.value)]
    deployed = list(_named_in(tree, DEPLOYMENT))
    if candidates and not deployed and len({one.module for one in candidates}) == 1:
        first = candidates[0]
        if not is_for_development(first.module):
            return [first]
    # The file that deploys a project knows better than the one that a developer types.
    everything = [*deployed, *candidates] or list(_named_in(tree, _TESTING))
    for_developers = all(one.rank >= 2 for one in everything)

    def is_likely(one: Candidate) -> bool:
        guess = one.rank == 0 or (for_developers and bool(one.last & BASE))
        return not everything or (guess and _is_beside(one, everything))

    likely = [one for one in _all(tree) if is_likely(one)]
    ordered = sorted(_once([*everything, *likely]), key=lambda one: one.order)
    return [one for one in ordered if one.rank < 3] or ordered


def _named_in(tree: ProjectTree, pattern: re.Pattern[str]) -> Iterator[Candidate]:
    """What files of these names say, if it is a module of the project's."""
    for path in sorted(tree.paths, key=nearest):
        if path.count("/") > _DEEPEST or not pattern.fullmatch(path):
            continue
        if is_foreign(path) and pattern is not _TESTING:
            continue
        text = tree.read(path)[:_LARGEST]
        for match in _NAMED.finditer(text):
            if tree.module(match[1]) and not _is_build_step(text, match.start()):
                yield Candidate(
                    match[1], f"{path} line {text.count(chr(10), 0, match.start()) + 1}"
                )


def _is_build_step(text: str, place: int) -> bool:
    """Whether a RUN of a Dockerfile, of one line or more, names settings to collect files alone."""
    begin = text.rfind("\n", 0, place) + 1
    while begin and text[:begin].endswith("\\\n"):
        begin = text.rfind("\n", 0, begin - 1) + 1
    instruction = re.match(r"(?:.*\\\n)*.*", text[begin:])
    whole = instruction[0] if instruction else ""
    return bool(re.match(r"\s*RUN\b", whole) and _BUILDING.search(whole))


def _all(tree: ProjectTree) -> Iterator[Candidate]:
    """Every module below manage.py's directory that looks like settings."""
    prefix = f"{tree.root}/" if tree.root else ""
    for path in sorted(tree.paths, key=nearest):
        below = path.removeprefix(prefix)
        if not path.startswith(prefix) or not path.endswith(".py") or is_foreign(below):
            continue
        dotted = tree.dotted(path)
        about = any("settings" in part or part == "conf" for part in dotted.split(".")[-2:])
        if about and re.fullmatch(DOTTED, dotted) and _DJANGOS.search(tree.read(path)):
            yield Candidate(dotted)


def _is_beside(one: Candidate, named: Sequence[Candidate]) -> bool:
    """Whether a module lies in the package of one that is named, or in one that is named itself."""
    packages = {package for other in named for package in (_package(other.module), other.module)}
    return _package(one.module) in packages


def _package(module: str) -> str:
    return module.rpartition(".")[0]


def _once(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Each module once, with the first that names it."""
    found: dict[str, Candidate] = {}
    for one in candidates:
        found.setdefault(one.module, one)
    return list(found.values())
