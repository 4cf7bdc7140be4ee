"""Requirements files of any naming, best first: what the project itself installs for a server."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from espalier.project.detection.tree import SECONDARY_DIRECTORIES, ProjectTree, is_foreign, nearest
from espalier.project.words import word_set

PRODUCTION = word_set("production prod deploy deployment live server heroku release docker")
BASE = word_set("base common main default app core all full")
# What a developer needs beside the site; such a file is taken only where there is no other.
OTHERS = word_set(
    """
    dev devel develop development local test tests testing ci doc docs lint linting typing types
    debug build optional extra extras tools qa format style mypy benchmark benchmarks staging
    migration migrations e2e release-tools
    """
)
POSTGRESQL = word_set("postgres postgresql psql pg pgsql")
OTHER_DATABASES = word_set("mysql mariadb oracle mssql sqlserver sqlite")
# Of `rank`: names that say what they are; the kit's database is not theirs; for developers alone.
LIKELY, WRONG_DATABASE, UNLIKELY = 3, 8, 9
_NAMES = r"(require(ment)?s?|reqs?|deps|dependencies)"


def words_of(path: str) -> set[str]:
    """The words of a file's name and its directory, without those that mean `requirements`."""
    stem = path.rpartition(".")[0].lower()
    near = "/".join(stem.split("/")[-2:])
    words = set(re.split(r"[^a-z0-9]+", near))
    return {word for word in words if not re.fullmatch(_NAMES, word)}


def rank(path: str, directory: str) -> int:
    """How likely a requirements file is the one for a server; 0 is the likeliest."""
    below = posixpath.relpath(path, directory or ".")
    if below == "requirements.txt":
        return 0
    words = words_of(below)
    if words & OTHERS:
        return UNLIKELY
    if words & OTHER_DATABASES and not words & POSTGRESQL:
        return WRONG_DATABASE
    if words & PRODUCTION:
        return 1
    if words & POSTGRESQL:
        return 2
    if words & BASE or posixpath.basename(below).startswith("requirements."):
        return LIKELY
    return LIKELY + 1


def candidates(tree: ProjectTree, directory: str, *, anywhere: bool = False) -> list[str]:
    """The requirements files of a directory and of those below that are named so, best first.

    `anywhere`: also in directories of other names, as in `deploy/requirements.txt`.
    """
    prefix = f"{directory}/" if directory else ""
    found = []
    for path in tree.paths:
        below = path.removeprefix(prefix)
        folders = below.split("/")[:-1]
        if (
            path.startswith(prefix)
            and len(folders) <= 2
            and re.search(rf"(?i)(^|[/_.-]){_NAMES}([/_.-].*)?\.(txt|in|pip)$", below)
            and (anywhere or not folders or re.search(rf"(?i){_NAMES}", folders[-1]))
            and not is_foreign(path)
            and not SECONDARY_DIRECTORIES & set(folders)
        ):
            found.append(path)
    # A .in is what the .txt beside it was compiled of.
    compiled = {path.rpartition(".")[0] + ".in" for path in found if not path.endswith(".in")}
    kept = [path for path in found if path not in compiled]
    return sorted(kept, key=lambda path: (rank(path, directory), nearest(path)))


def names_django(text: str) -> bool:
    """Whether one of some requirement lines is Django's."""
    return bool(re.search(r"(?mi)^\s*django\s*([\[<>=!~;@#\\]|$)", text))


def asks_for_django(tree: ProjectTree, path: str, seen: frozenset[str] = frozenset()) -> bool:
    """Whether a requirements file, with those that it includes, names Django."""
    if path in seen or path not in tree.paths:
        return False
    if names_django(tree.read(path)):
        return True
    return any(asks_for_django(tree, one, seen | {path}) for one in _included(tree, path))


def _included(tree: ProjectTree, path: str) -> list[str]:
    """The files that a requirements file includes."""
    names = re.findall(r"(?m)^\s*(?:-r|--requirement)[\s=]*(\S+)", tree.read(path))
    return [posixpath.normpath(posixpath.join(posixpath.dirname(path), one)) for one in names]


def pins_django(tree: ProjectTree, path: str) -> bool:
    """Whether a requirements file names one exact version of Django, as a lock does."""
    pattern = r"(?mi)^\s*django\s*(\[[^\]]*\])?\s*={2,3}\s*[\d.]+\s*([;#\\]|$)"
    return bool(re.search(pattern, tree.read(path)))


def named_by_deployment(tree: ProjectTree) -> Iterator[tuple[str, str]]:
    """What the project's own deployment installs: file (or a lock's name), and who says so.

    The Dockerfile first, then the Procfile and its like, CI last. What is installed for tests
    alone is named there too, which is for the caller to leave out.
    """
    for path in _deployment_files(tree):
        text = re.sub(r"\\\r?\n", " ", tree.read(path))
        for line in text.splitlines():
            if re.match(r"\s*#", line):
                continue
            if re.search(r"\buv\s+(sync|export)\b", line):
                yield "uv.lock", path
            if re.search(r"\bpoetry\s+(install|export|sync)\b", line):
                yield "poetry.lock", path
            if re.search(r"\bpipenv\s+(install|sync|requirements)\b", line):
                yield "Pipfile.lock", path
            if re.search(r"\bpdm\s+(install|sync|export)\b", line):
                yield "pdm.lock", path
            if re.search(r"\bpip3?\s+(install|wheel|sync)\b", line):
                for name in re.findall(r"(?:-r|--requirements?)[\s=]*([\w./-]+)", line):
                    yield name, path


def is_named(path: str, name: str, directory: str) -> bool:
    """Whether a deployment file that says `name` means the file at `path`."""
    name, below = posixpath.normpath(name), posixpath.relpath(path, directory or ".")
    return f"/{name}".endswith(f"/{below}") or f"/{path}".endswith(f"/{name}")


def installed_beside(tree: ProjectTree, directory: str, path: str, who: str) -> tuple[str, ...]:
    """The other requirements files for a server that `who` installs beside the one at `path`.

    A deployment file may name several, in one line or in more. One that another includes is no
    more to say, and one for another database than PostgreSQL is not needed beside one for it.
    """
    names = [name for name, by in named_by_deployment(tree) if by == who]
    files = [
        one
        for name in names
        for one in candidates(tree, directory)
        if is_named(one, name, directory) and rank(one, directory) < UNLIKELY
    ]
    files = list(dict.fromkeys([path, *files]))
    if any(words_of(one) & POSTGRESQL for one in files):
        files = [one for one in files if rank(one, directory) != WRONG_DATABASE]
    included, waiting = set[str](), list(files)
    while waiting:
        new = [one for one in _included(tree, waiting.pop()) if one not in included]
        included |= {*new}
        waiting += new
    return tuple(one for one in files if one != path and one not in included)


def _deployment_files(tree: ProjectTree) -> list[str]:
    patterns = (
        r"(.*/)?(Dockerfile|Containerfile)(\.(prod|production))?$",
        r"(.*/)?(Procfile|nixpacks\.toml|railpack\.json|app\.json|render\.yaml|build\.sh)$",
        r"(\.github/workflows/(deploy|release)[^/]*|\.gitlab-ci)\.ya?ml$",
        r"README(\.md|\.rst|\.txt)?$",
    )
    found = []
    for pattern in patterns:
        matches = [path for path in tree.paths if re.fullmatch(pattern, path, re.IGNORECASE)]
        # Production's own Dockerfile before another one.
        matches.sort(key=lambda path: ("prod" not in path.lower(), nearest(path)))
        found += [path for path in matches if not re.search(r"(?i)devcontainer|\bdev|test", path)]
    return found
