"""What a project asks to be installed: files, what they include, names."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from espalier_machine.common.text import decoded
from espalier_machine.release.errors import ReleaseError

# The name that the Python index had until 2018. Old lists still name it; it leads to the new one.
OLD_INDEX, INDEX = "https://pypi.python.org/simple", "https://pypi.org/simple"


@dataclasses.dataclass(frozen=True)
class Requirements:
    """What the project asks for: `texts` by file name in the archive, or a package's `spec`."""

    kind: str
    path: str
    spec: str
    texts: dict[str, str]
    constraints: tuple[str, ...] = ()
    options: tuple[str, ...] = ()  # for uv: groups and extras

    @property
    def is_local(self) -> bool:
        """Whether it installs something out of the archive itself, so no two builds are alike."""
        if self.kind == "requirements":
            lines = [line for text in self.texts.values() for line in logical_lines(text)]
            pattern = r"(-e|--editable)\b|[./]|file:|[^:]*\.(whl|gz|zip)$|[^;]*@\s*file:"
            return any(re.match(pattern, line) for line in lines)
        if self.kind == "metadata":  # made by the project's own code
            return True
        pattern = r'\{[^}]*\b(editable|directory|path|workspace)\s*=(?!\s*"\.")'
        return any(re.search(pattern, text) for text in self.texts.values())


def read_requirements(build: Mapping[str, Any], tree: Path) -> Requirements:
    """Read the files of build.json's requirements under `tree`, with all that they include."""
    given = build["requirements"]
    texts: dict[str, str] = {}
    constraints: list[str] = []

    def read(name: str, origin: str) -> None:
        name = os.path.normpath(name)
        if name in texts:
            return
        try:
            content = (tree / name).read_bytes()
        except OSError as error:
            sentence = f"{origin} names {name}, which is not in the archive; is it ignored by git?"
            raise ReleaseError("install", sentence) from error
        texts[name] = decoded(content, "replace")
        if given["kind"] != "requirements":
            return
        if content.decode(errors="replace") != texts[name]:  # uv reads UTF-8 alone
            (tree / name).write_text(texts[name])
        if OLD_INDEX in texts[name]:
            texts[name] = texts[name].replace(OLD_INDEX, INDEX)
            (tree / name).write_text(texts[name])
        for line in logical_lines(texts[name]):
            pattern = r"(-r|-c|--requirement|--constraint)[\s=]*([^\s:]+)$"
            if include := re.match(pattern, line):
                included = os.path.normpath(os.path.join(os.path.dirname(name), include[2]))
                if name in constraints or include[1].lstrip("-").startswith("c"):
                    constraints.append(included)
                read(included, name)

    if given["kind"] != "package":
        read(given["path"], "build.json")
    if given["kind"] == "uv.lock":
        read(os.path.join(os.path.dirname(given["path"]), "pyproject.toml"), given["path"])
    path = os.path.normpath(given["path"])
    options = [
        word
        for key, option in (("groups", "--group"), ("extras", "--extra"))
        for name in given.get(key, ())
        for word in (option, name)
    ]
    return Requirements(
        given["kind"], path, given["spec"], texts, tuple(constraints), tuple(options)
    )


def logical_lines(text: str) -> list[str]:
    """Lines of a requirements file: continuations joined, comments and blank lines dropped."""
    joined = re.sub(r"\\\r?\n", " ", text)
    lines = (re.sub(r"(^|\s)#.*", "", line).strip() for line in joined.splitlines())
    return [line for line in lines if line]


def requirement_name(line: str) -> str:
    """The normalised distribution name of one requirement line; "" when it has none."""
    line = re.sub(r"^(-e|--editable)[\s=]+", "", line.strip())
    found = (
        re.search(r"#egg=([\w.-]+)", line)
        or re.search(r"://.*/([A-Za-z0-9_.]+)-[^/]*\.whl", line)
        or re.match(r"([A-Za-z0-9][\w.-]*)\s*($|[\s\[(<>=!~;@])", line)
    )
    return re.sub(r"[-_.]+", "-", found[1]).lower() if found else ""


def named(lines: Iterable[str]) -> set[str]:
    """The distributions that requirement lines name."""
    return {name for line in lines if (name := requirement_name(line))}


def needed_extras(
    extras: Iterable[str], names: Collection[str], constrained: Collection[str] = ()
) -> list[str]:
    """The kit's extras that the project does not name; its constraints choose their versions."""
    taken = set(names)
    if taken & {"psycopg2", "psycopg2-binary", "psycopg-binary"}:
        taken.add("psycopg")  # a driver of the same family is there already
    needed = [extra for extra in extras if requirement_name(extra) not in taken]
    bare = re.compile(r"\s*[<>=!~;@].*")
    return [
        bare.sub("", extra) if requirement_name(extra) in constrained else extra for extra in needed
    ]
