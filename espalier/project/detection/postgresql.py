"""Which extensions of PostgreSQL a project needs: its settings and its migrations say so."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from espalier.project.detection.settings import listed_apps, settings_files
from espalier.project.detection.tree import ProjectTree, is_foreign
from espalier.project.extensions import EXTENSIONS, unknown
from espalier.project.schema import Project
from espalier.project.words import note

GIS = "django.contrib.gis"
# What GeoDjango loads while it runs: GDAL, GEOS and PROJ. Their own packages have another name on
# each Debian; this one brings them all.
GIS_PACKAGES = ("gdal-bin",)
# Django's own operations, and pgvector's.
OPERATIONS = {
    "BloomExtension": "bloom",
    "BtreeGinExtension": "btree_gin",
    "BtreeGistExtension": "btree_gist",
    "CITextExtension": "citext",
    "CryptoExtension": "pgcrypto",
    "HStoreExtension": "hstore",
    "TrigramExtension": "pg_trgm",
    "UnaccentExtension": "unaccent",
    "VectorExtension": "vector",
}
STATEMENT = re.compile(
    r"""CREATE\s+EXTENSION\s+(?:IF\s+NOT\s+EXISTS\s+)?(?:"([^"]+)"|([a-z_]\w*))""", re.IGNORECASE
)


@dataclass(frozen=True)
class PostgreSQL:
    """What PostgreSQL and Django's machines need beside what every project does."""

    extensions: tuple[str, ...] = ()  # that the kit makes, as stated and as found
    packages: tuple[str, ...] = ()  # Debian packages where Django runs
    notes: tuple[str, ...] = ()


def find_postgresql(project: Project, tree: ProjectTree, settings: str) -> PostgreSQL:
    """The extensions to make before the migrations run.

    Those that PostgreSQL trusts the owner of a database with are left to the migrations.
    """
    stated: tuple[str, ...] = project.database.get("extensions", ())
    found: dict[str, str] = {}
    strange: list[str] = []
    gis = _gis(tree, settings)
    if gis:
        found["postgis"] = gis
    for name, where in _in_migrations(tree):
        if name in found or name in stated:
            continue
        if name not in EXTENSIONS:
            # No refusal: an administrator may have made it by hand, and then the migration passes.
            strange.append(
                note("warning", f"{unknown(name)} Unless it is there, this fails", where)
            )
        elif not EXTENSIONS[name].is_trusted:
            found[name] = where
    new = {name: where for name, where in found.items() if name not in stated}
    notes = [note("postgresql", f"extension {name}", where) for name, where in new.items()]
    packages = GIS_PACKAGES if gis else ()
    notes += [note("packages", name, "GeoDjango loads it") for name in packages]
    return PostgreSQL((*stated, *new), packages, (*notes, *strange))


def _gis(tree: ProjectTree, settings: str) -> str:
    """Where the settings say that the project has maps, or ""."""
    for path in settings_files(tree, settings):
        text = tree.read(path)
        if GIS in listed_apps(text) or re.search(
            r"^[^#\n]*django\.contrib\.gis\.db\.b", text, re.M
        ):
            return f"{GIS}, {path}"
    return ""


def _in_migrations(tree: ProjectTree) -> Iterator[tuple[str, str]]:
    """Extensions that migrations make, each with the file and the line."""
    for path in sorted(tree.paths):
        if "/migrations/" not in f"/{path}" or not path.endswith(".py") or is_foreign(path):
            continue
        text = tree.read(path)
        if "xtension" not in text and "EXTENSION" not in text:
            continue
        for name, line in _made_by(text):
            yield name, f"{path} line {line}"


def _made_by(text: str) -> Iterator[tuple[str, int]]:
    """Extensions that one migration makes: by an operation, or in a text that is SQL."""
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError):
        return  # perhaps Python 2, or a newer Python than this one
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            function = node.func
            called = getattr(function, "attr", None) or getattr(function, "id", "")
            if called in OPERATIONS:
                yield OPERATIONS[called], node.lineno
            elif called == "CreateExtension":
                names = [*node.args, *(one.value for one in node.keywords if one.arg == "name")]
                if names and isinstance(names[0], ast.Constant):
                    yield str(names[0].value), node.lineno
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            for match in STATEMENT.finditer(node.value):
                yield match[1] or match[2].lower(), node.lineno
