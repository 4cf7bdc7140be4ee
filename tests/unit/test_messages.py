"""What a person is told holds for an installed wheel too, beside which there is no clone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from click.testing import CliRunner

from espalier.cli.main import main
from espalier.paths import DOCS, KIT

# A page by a path that only a clone has; what only a clone's Makefile or virtual environment does.
OF_A_CLONE = re.compile(r"(?<![\w/])docs/(?!\S+ of the kit)|`make |`python -m espalier")
PROGRAMS = ("espalier", "plugins", "machine", "deploys", "overlay/espalier_overlay", "tests/infra")
YAML = ("playbooks", "roles", "templates", "inventories/example")


def strings(file: Path) -> Iterator[str]:
    """The texts in a program, without docstrings and without what is filled in."""
    tree = ast.parse(file.read_text())
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            yield node.value


def test_no_message_needs_a_clone() -> None:
    found = [
        f"{file.relative_to(KIT)}: {text}"
        for folder in PROGRAMS
        for file in (KIT / folder).rglob("*.py")
        for text in strings(file)
        if OF_A_CLONE.search(text)
    ]
    for file in (one for folder in YAML for one in (KIT / folder).rglob("*.*")):
        lines = [] if file.suffix == ".md" else file.read_text().splitlines()
        if "example" not in file.parts:  # whose comments are a person's own soon
            lines = [line for line in lines if not line.lstrip().startswith("#")]
        found += [f"{file.relative_to(KIT)}: {one}" for one in lines if OF_A_CLONE.search(one)]
    assert found == []


def test_pages_that_are_named_are_there() -> None:
    named = {
        page
        for folder in ("espalier", "plugins")
        for file in (KIT / folder).rglob("*.py")
        for page in re.findall(r"DOCS / ['\"]([^'\"]+)", file.read_text())
    }
    assert {"project.md", "arriving.md"} <= named
    assert [page for page in named if not (DOCS / page).is_file()] == []
    assert f"The guide: {DOCS}" in CliRunner().invoke(main, ["--help"]).output
