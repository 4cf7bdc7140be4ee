#!/usr/bin/env python3
"""Turn any Django project into one archive that a machine can run.

The path from what the user wrote to the archive is four functions, each usable alone:

    check   the `project` dictionary            -> Project, or a sentence
    fetch   a directory, git URL or package     -> Source (a tree of files on this machine)
    detect  manage.py, settings, application …  -> Detected, each value with where it was found
    build   code + overlay + build.json         -> Archive, byte-identical for the same content

`pack` does the four in a row. Standard library only and no Ansible import: the Ansible action
plugin `project` and pyinfra both use this file. Run as a program, it answers what `make up
PROJECT=…` means:  python plugins/module_utils/project.py classify VALUE [--name NAME]
"""

from __future__ import annotations

import argparse
import ast
import contextlib
import dataclasses
import difflib
import fcntl
import functools
import gzip
import hashlib
import io
import ipaddress
import json
import os
import posixpath
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import urllib.parse
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

# Where the controller keeps mirrors, downloads and archives, unless told otherwise.
CACHE = Path("~/.cache/espalier/projects")


def _word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


WHERE = "group_vars/all/project.yml"
SOURCES = ("directory", "git", "package")

# Names that Debian, PostgreSQL or the kit already use for a user, a group, a database or a unit.
RESERVED_NAMES = _word_set(
    """
    root daemon bin sys sync games man lp mail news uucp proxy backup list irc gnats nobody nogroup
    adm tty disk kmem dialout fax voice cdrom floppy tape sudo audio dip operator src shadow utmp
    video sasl plugdev staff users input sgx kvm render crontab netdev ssh sshd messagebus polkitd
    systemd syslog dbus tss postfix admin debian ubuntu deploy vagrant ansible espalier
    postgres template0 template1 public none user current_user session_user
    nginx www_data www redis valkey pgbouncer prometheus grafana etcd patroni haproxy keepalived
    """
)

# Environment variables that the kit writes itself, with the key to use instead.
OWNED_VARIABLES = {
    "DJANGO_SETTINGS_MODULE": "write `settings:` instead",
    "PYTHONPATH": "it holds the release's directories; write `path:` to say where manage.py is",
}

# Never part of a project, unless the project's git repository tracks them.
SKIPPED_DIRECTORIES = _word_set(
    ".git .hg .svn __pycache__ node_modules .tox .nox .mypy_cache .pytest_cache .ruff_cache"
)
SKIPPED_FILES = (".pyc", ".pyo", ".DS_Store")

# A manage.py in one of these is a test bed or a template when another one lies nearer the root.
SECONDARY_DIRECTORIES = _word_set(
    """
    test tests testproject test_project testapp testing example examples example_project
    exampleproject sample samples demo sandbox docs doc fixtures template templates
    project_template testutils benchmarks
    """
)

LARGE = 200 * 1024 * 1024  # bytes; beyond this a newcomer has probably packed uploads or data
KEPT = 5  # archives and unpacked git trees that stay in the cache, per project

_DOTTED = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"


class ProjectError(Exception):
    """What is wrong with the project, as one sentence for the user."""


class _Bad(Exception):
    """What is wrong with one value; `check` adds the file and the key in front."""


# ---------------------------------------------------------------------------------------- check


@dataclasses.dataclass(frozen=True)
class Project:
    """The user's `project` dictionary, checked. An empty value means: detect it, or none."""

    name: str
    directory: str = ""
    git: str = ""
    package: str = ""
    version: str = ""
    path: str | None = None  # "" is the root of the tree, None is "not said"
    domains: tuple[str, ...] = ()
    settings: str = ""
    application: str = ""
    requirements: str = ""
    extra_requirements: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    apps: tuple[str, ...] = ()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    static_url: str = "/static/"
    media_url: str = "/media/"
    media_s3: Mapping[str, str] = dataclasses.field(default_factory=dict)
    overlay: bool = True
    writable: tuple[str, ...] = ()
    upload_limit_mb: int = 25
    microcache: tuple[Mapping[str, Any], ...] = ()  # {"path": prefix, "seconds": int}
    server: str = ""
    # Name -> {"command": …, "count": int, "single": bool}
    processes: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    # Name -> {"command": …, "when": an OnCalendar expression of systemd's}
    schedule: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    hooks: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


def check(project: Mapping[str, Any], where: str = WHERE) -> Project:
    """Check the user's dictionary, key by key.

    Args:
        project: the `project` dictionary, plain YAML types. A key with no value counts as absent.
        where: the file to name in sentences.

    Returns:
        The checked project, lists as tuples, defaults filled in.

    Raises:
        ProjectError: for the first thing that is wrong, with the file, the key and what to write.
    """
    if not isinstance(project, Mapping):
        raise ProjectError(
            f"{where}: `project` must be a dictionary; write for example\n"
            "project:\n  directory: ../orchard\n  domains: [orchard.example.com]"
        )
    for key in project:
        if key not in _RULES:
            hint = _hint(key, _RULES, "the keys are")
            raise ProjectError(f"{where}: project.{key} is not a key of `project`: {hint}")
    values: dict[str, Any] = {}
    for key, value in project.items():
        if value is None:
            continue
        try:
            values[key] = _RULES[key](value)
        except _Bad as bad:
            raise ProjectError(f"{where}: project.{key}: {bad}") from None
    _check_source(values, where)
    values["name"] = values.get("name") or _name_of(values, where)
    result = Project(**values)
    static, media = result.static_url, result.media_url
    if static.startswith(media) or media.startswith(static):
        raise ProjectError(
            f"{where}: project.static_url ({static}) and project.media_url ({media}) overlap: "
            "give each a prefix of its own, for example /static/ and /media/."
        )
    for page in result.microcache:
        if page["path"].startswith((static, media)):
            raise ProjectError(
                f"{where}: project.microcache: {page['path']} are files, which nginx serves "
                "without Django anyway: remove it."
            )
    return result


def _check_source(values: Mapping[str, Any], where: str) -> None:
    said = [key for key in SOURCES if key in values]
    if len(said) != 1:
        what = f"has {_words(said)}" if said else "does not say where the code is"
        raise ProjectError(
            f"{where}: `project` {what}: write exactly one of `directory:` (a directory on this "
            "machine), `git:` (a git URL) or `package:` (a name on the Python index)."
        )
    if said == ["directory"] and "version" in values:
        raise ProjectError(
            f"{where}: project.version has no meaning with `directory:` (the files are taken as "
            "they are): remove it, or write `git:` instead of `directory:`."
        )
    if said == ["package"]:
        for key, instead in (
            ("path", "remove it"),
            ("requirements", "remove it, and add to the package's own with `extra_requirements:`"),
        ):
            if key in values:
                raise ProjectError(
                    f"{where}: project.{key} has no meaning with `package:`: {instead}."
                )
        version = values.get("version", "")
        if version and not re.fullmatch(r"\d[\w.!+-]*", version):
            raise ProjectError(
                f'{where}: project.version: "{version}" is not one exact version of a package: '
                'write for example "2.1.0", or remove the key for the newest.'
            )


def _name_of(values: Mapping[str, Any], where: str) -> str:
    """The default of `name`, from the last part of the source."""
    source = next(values[key] for key in SOURCES if key in values)
    last = re.split(r"[/:]", re.sub(r"(/|\.git)+$", "", source))[-1].split("[")[0]
    name = re.sub(r"[^a-z0-9]+", "_", last.lower()).strip("_")[:31]
    try:
        return _project_name(name)
    except _Bad:
        taken = (
            f'"{name}", the name made from {without_password(source)}, cannot be used'
            if name
            else "none found"
        )
        raise ProjectError(
            f"{where}: project.name: {taken}: write `name:`, the name of the system user, the "
            "database and the services, for example `name: orchard`."
        ) from None


def _text(value: Any) -> str:
    if isinstance(value, bool | int | float):
        raise _Bad(f"YAML reads {value} as a {_kind(value)}: put it in quotes if it is meant so.")
    if not isinstance(value, str):
        raise _Bad(f"must be text, and is a {_kind(value)}.")
    if not value.strip():
        raise _Bad("is empty: give it a value or remove the key.")
    if any(ord(character) < 32 for character in value):
        raise _Bad("has a line break or a control character: write it on one line.")
    return value.strip()


def _list_of(item: Callable[[Any], str], example: str) -> Callable[[Any], tuple[str, ...]]:
    def rule(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list | tuple):
            raise _Bad(f"must be a list, and is a {_kind(value)}: write for example {example}.")
        return tuple(dict.fromkeys(item(one) for one in value))

    return rule


def _matching(pattern: str, say: str) -> Callable[[Any], str]:
    def rule(value: Any) -> str:
        text = _text(value)
        if not re.fullmatch(pattern, text):
            raise _Bad(f'"{text}" {say}')
        return text

    return rule


def _project_name(value: Any) -> str:
    name = _text(value)
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name):
        raise _Bad(
            f'"{name}" cannot name a user, a database and services: write a lower-case letter '
            "followed by at most 30 lower-case letters, digits or _."
        )
    if name in RESERVED_NAMES or name.startswith(("pg_", "systemd_")):
        raise _Bad(
            f'"{name}" already means something to Debian, PostgreSQL or this kit: choose another, '
            f'for example "{name[:25]}_site".'
        )
    return name


def _domain(value: Any) -> str:
    text = _text(value).lower()
    bare = re.sub(r"^[a-z][a-z0-9+.-]*://", "", text)
    if bare != text:
        host = re.split(r"[/:]", bare)[0]
        raise _Bad(f'"{text}" has a scheme: write the host name alone: {host}')
    if "/" in text:
        raise _Bad(f'"{text}" has a path: write the host name alone: {text.split("/")[0]}')
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(text.strip("[]")))
    if re.fullmatch(r"(\[.*\]|[^:]+):\d+", text):
        host = text.rpartition(":")[0]
        raise _Bad(f'"{text}" has a port: write the host name alone: {host}')
    if text.startswith((".", "*")):
        raise _Bad(f'"{text}" stands for many names: write each host name that the site answers.')
    if not text.isascii():
        with contextlib.suppress(UnicodeError):
            ascii_form = text.encode("idna").decode()
            raise _Bad(f'"{text}" has letters outside ASCII: write its ASCII form: {ascii_form}')
    label = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    last = text.rpartition(".")[2]
    if not re.fullmatch(rf"{label}(\.{label})*", text) or len(text) > 253 or last.isdigit():
        raise _Bad(
            f'"{text}" is neither a host name nor an IP address: write for example '
            "shop.example.com or 203.0.113.10."
        )
    return text


def _directory(value: Any) -> str:
    return _text(value).rstrip("/") or "/"


def _git(value: Any) -> str:
    text = _text(value)
    if text.startswith("-"):
        raise _Bad(f'"{text}" is not a git URL: it starts with a dash.')
    return text


def _package(value: Any) -> str:
    text = _text(value)
    name = r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(\[[A-Za-z0-9._, -]+\])?"
    if re.fullmatch(name, text):
        return text.replace(" ", "")
    pinned = re.fullmatch(rf"({name})\s*==\s*(\S+)", text)
    if pinned:
        raise _Bad(
            f'"{text}" has a version: write `package: {pinned[1]}`, `version: "{pinned[4]}"`.'
        )
    raise _Bad(f'"{text}" is not the name of a package on the Python index.')


def _version(value: Any) -> str:
    text = _text(value)
    if text.startswith("-") or re.search(r"[\s~^:?*\[\\]", text):
        raise _Bad(
            f'"{text}" is neither a branch, a tag, a commit nor the version of a package: write '
            'for example main, v1.2 or "2.1.0".'
        )
    return text


def _inside(value: Any) -> str:
    text = _text(value)
    if text.startswith(("/", "~")) or ".." in PurePosixPath(text).parts:
        raise _Bad(f'"{text}" must be a path inside the project, such as backend or src/site.')
    return "" if text in (".", "./") else str(PurePosixPath(text))


def _path(value: Any) -> str:
    text = _inside(value)
    if PurePosixPath(text).name == "manage.py":
        parent = str(PurePosixPath(text).parent)
        raise _Bad(f'"{text}" is the file: write the directory that holds it: {parent}')
    return text


def _settings(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(_DOTTED, text):
        guess = re.sub(r"\.py$", "", text).strip("./").replace("/", ".")
        hint = f": write {guess}" if re.fullmatch(_DOTTED, guess) else ", such as mysite.settings"
        raise _Bad(f'"{text}" is not a Python module with dots{hint}')
    if text.endswith(".py"):
        raise _Bad(f'"{text}" is a file, not a module: write {text[:-3]}')
    return text


def _application(value: Any) -> str:
    text = _text(value)
    if re.fullmatch(rf"{_DOTTED}:[A-Za-z_]\w*", text):
        return text
    if re.fullmatch(_DOTTED, text) and "." in text:
        module, _, name = text.rpartition(".")
        guess = f"{module}:{name}" if name not in ("wsgi", "asgi") else f"{text}:application"
        raise _Bad(f'"{text}" has no colon before the application: write {guess}')
    raise _Bad(f'"{text}" is not module:name: write for example mysite.wsgi:application')


def _url_prefix(value: Any) -> str:
    text = _text(value)
    if "://" in text or text.startswith("//"):
        raise _Bad(
            f'"{text}" is on another site: the kit serves these files itself, under a prefix such '
            "as /static/. A project that uploads to a CDN says so in its own settings."
        )
    if not re.fullmatch(r"/([A-Za-z0-9_-][A-Za-z0-9_.-]*/)+", text):
        guess = "/" + text.strip("/") + "/"
        raise _Bad(
            f'"{text}" is not a prefix that starts and ends with a slash: '
            + (f"write {guess}" if re.fullmatch(r"/[A-Za-z0-9_/-]+/", guess) else "write /static/")
        )
    return text


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _Bad(f"must be true or false, and is a {_kind(value)}.")
    return value


def _megabytes(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 100_000:
        raise _Bad(f"must be a whole number of megabytes between 1 and 100000, not {value!r}.")
    return value


_MICROCACHE_EXAMPLE = "[{path: /guide/, seconds: 10}]"


def _microcache(value: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(value, list | tuple):
        raise _Bad(
            f"must be a list, and is a {_kind(value)}: write for example {_MICROCACHE_EXAMPLE}."
        )
    pages = tuple(_microcached(page) for page in value)
    paths = [page["path"] for page in pages]
    for path in paths:
        if paths.count(path) > 1:
            raise _Bad(f"{path} is there twice: leave one of them.")
    return pages


def _microcached(page: Any) -> dict[str, Any]:
    """One prefix of pages that nginx may answer by itself, and for how many seconds."""
    if not isinstance(page, Mapping):
        raise _Bad(
            f"each entry must be a dictionary, and one is a {_kind(page)}: write for example "
            f"{_MICROCACHE_EXAMPLE}."
        )
    keys = ("path", "seconds")
    for key in page:
        if key not in keys:
            raise _Bad(f"{key} is not a key of an entry: {_hint(key, keys, 'the keys are')}")
    for key in keys:
        if page.get(key) is None:
            raise _Bad(f"an entry lacks `{key}`: write for example {_MICROCACHE_EXAMPLE}.")
    path, seconds = _text(page["path"]), page["seconds"]
    if not re.fullmatch(r"/[A-Za-z0-9_.~/-]*", path) or re.search(r"//|/\.\.?(/|$)", path):
        raise _Bad(
            f'"{path}" is not the beginning of an address such as /guide/: write it with a slash '
            "first, and without host name, query or wildcards."
        )
    if path.startswith("/-/"):
        raise _Bad(f"{path} holds the kit's health pages, which must never be old: remove it.")
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not 1 <= seconds <= 3600:
        raise _Bad(f"{path}: `seconds` must be a whole number from 1 to 3600, not {seconds!r}.")
    return {"path": path, "seconds": seconds}


SERVERS = ("gunicorn", "uvicorn", "granian", "uwsgi")
HOOKS = ("before_migrate", "after_switch", "after_rollback")


def _mapping(value: Any, example: str) -> Mapping[Any, Any]:
    """The value, which must be a dictionary."""
    if not isinstance(value, Mapping):
        raise _Bad(f"must be a dictionary, and is a {_kind(value)}: write for example {example}.")
    return value


def _choice(words: Sequence[str]) -> Callable[[Any], str]:
    def rule(value: Any) -> str:
        if (text := _text(value)) in words:
            return text
        raise _Bad(f'"{text}" is not known: {_hint(text, words, "write one of")}')

    return rule


def _named(
    example: str, reserved: Sequence[str], entry: Callable[[Any], Mapping[str, Any]]
) -> Callable[[Any], Mapping[str, Any]]:
    """A rule for a dictionary from the name of a unit to what it runs."""

    def rule(value: Any) -> Mapping[str, Any]:
        found = {}
        for name, one in _mapping(value, example).items():
            if not isinstance(name, str) or not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", name):
                raise _Bad(
                    f'"{name}" is not a name such as mailer: small letters, digits and _, at most '
                    "31, a letter first."
                )
            if name in reserved:
                raise _Bad(f"{name} is there already, as what answers visitors: name it otherwise.")
            try:
                found[name] = entry(one)
            except _Bad as bad:
                raise _Bad(f"{name}: {bad}") from None
        return found

    return rule


def _entry_of(value: Any, keys: Sequence[str], example: str) -> dict[str, Any]:
    """A dictionary with none but the given keys, and a `command`."""
    for key in _mapping(value, example):
        if key not in keys:
            raise _Bad(f"{key} is not a key here: {_hint(key, keys, 'the keys are')}")
    if value.get("command") is None:
        raise _Bad(f"lacks `command`: write for example {example}.")
    return {**value, "command": _text(value["command"])}


def _process(value: Any) -> Mapping[str, Any]:
    example = "{command: celery -A shop worker, count: 2}"
    given = _entry_of(
        {"command": value} if isinstance(value, str) else value,
        ("command", "count", "single"),
        example,
    )
    count, single = given.get("count", 1), given.get("single", False)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= 100:
        raise _Bad(f"`count` must be a whole number from 1 to 100, not {count!r}.")
    if not isinstance(single, bool):
        raise _Bad(f"`single` must be true or false, and is a {_kind(single)}.")
    if single and count > 1:
        raise _Bad("is to be `single`, and `count` is more than one: leave one of them out.")
    return {"command": given["command"], "count": count, "single": single}


def _scheduled(value: Any) -> Mapping[str, str]:
    example = "{command: python manage.py clearsessions, when: daily}"
    given = _entry_of(value, ("command", "when"), example)
    if given.get("when") is None:
        raise _Bad(f"lacks `when`: write for example {example}.")
    return {"command": given["command"], "when": _text(given["when"])}


def _hooks(value: Any) -> Mapping[str, tuple[str, ...]]:
    example = "{after_switch: [python manage.py warm_up]}"
    found = {}
    for key, commands in _mapping(value, example).items():
        if key not in HOOKS:
            hint = _hint(key, HOOKS, "the moments are")
            raise _Bad(f"{key} is no moment of a release: {hint}")
        if not isinstance(commands, list | tuple):
            raise _Bad(f"{key} must be a list of commands: write for example {example}.")
        found[key] = tuple(_text(command) for command in commands)
    return found


def _writable(value: Any) -> str:
    text = _text(value)
    if not re.fullmatch(r"(/[A-Za-z0-9._@+-]+)+/?", text) or ".." in text.split("/"):
        raise _Bad(f'"{text}" is not an absolute path such as /var/lib/orchard.')
    system = {
        "bin",
        "boot",
        "dev",
        "etc",
        "lib",
        "lib64",
        "proc",
        "root",
        "run",
        "sbin",
        "sys",
        "usr",
    }
    if text.split("/")[1] in system or text.rstrip("/") in (
        "/var",
        "/srv",
        "/home",
        "/opt",
        "/var/lib",
    ):
        raise _Bad(
            f'"{text}" belongs to the system: choose a directory of the project\'s own, such as '
            "/var/lib/orchard."
        )
    return text.rstrip("/")


def _environment(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise _Bad(
            f"must be a dictionary, and is a {_kind(value)}: write for example {{KEY: value}}."
        )
    return {_variable(key): _variable_value(key, one) for key, one in value.items()}


def _variable(key: Any) -> str:
    if not isinstance(key, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key):
        raise _Bad(
            f'"{key}" is not the name of an environment variable: use letters, digits and _, not '
            "a digit first."
        )
    if key in OWNED_VARIABLES:
        raise _Bad(f"{key} is set by the kit: {OWNED_VARIABLES[key]}.")
    if key.startswith("ESPALIER_"):
        raise _Bad(f"{key}: names that start with ESPALIER_ belong to the kit: use another name.")
    return key


def _variable_value(key: str, value: Any) -> str:
    if isinstance(value, float):
        raise _Bad(f'{key}: YAML reads {value} as a number: put it in quotes, {key}: "{value}".')
    if not isinstance(value, str | int):
        hint = f': write {key}: ""' if value is None else ""
        raise _Bad(
            f"{key} must be text, a whole number, true or false; it is a {_kind(value)}{hint}."
        )
    # A boolean becomes Python's word: `os.environ["X"] == "True"` is the idiom in settings files.
    text = str(value)
    if re.search(r"[\0\r\n]", text):
        raise _Bad(
            f"{key} has a line break, which an environment file cannot hold: encode the value "
            "(base64, or \\n as two characters) and decode it in the settings."
        )
    return text


def _media_s3(value: Any) -> dict[str, str]:
    """Check where uploads go, if to an object store. Its keys are secrets, and not in here."""
    example = "{bucket: orchard, endpoint_url: https://s3.example.com, region: eu-1}"
    if not isinstance(value, Mapping):
        raise _Bad(f"must be a dictionary; write for example {example}.")
    for key, text in value.items():
        if key in ("access_key", "secret_key"):
            raise _Bad(f"{key} is a secret: set vault_s3_{key} in the inventory instead.")
        if key not in ("bucket", "endpoint_url", "region"):
            raise _Bad(f"{key} is not one of its keys; write for example {example}.")
        if not isinstance(text, str) or not re.fullmatch(r"\S+", text):
            raise _Bad(f"{key} must be text without spaces; write for example {example}.")
    if "bucket" not in value:
        raise _Bad(f"lacks the `bucket`; write for example {example}.")
    if not value.get("endpoint_url", "https://").startswith(("https://", "http://")):
        raise _Bad("endpoint_url must start with https:// or http://.")
    return dict(value)


def _kind(value: Any) -> str:
    if value is None:
        return "missing value"
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (bool, "true/false value"),
        ((int, float), "number"),
        (str, "text"),
        ((list, tuple), "list"),
        (Mapping, "dictionary"),
    )
    return next((word for kind, word in kinds if isinstance(value, kind)), type(value).__name__)


def _hint(word: Any, known: Iterable[str], otherwise: str) -> str:
    """What to write instead of a word that is not known: the nearest one, or which there are."""
    words = list(known)
    near = difflib.get_close_matches(str(word), words, n=1, cutoff=0.6)
    return f"did you mean `{near[0]}`?" if near else f"{otherwise} {_words(words)}."


def _words(items: Iterable[str]) -> str:
    return ", ".join(f"`{item}`" for item in items)


_requirement = _matching(
    r"[A-Za-z0-9][A-Za-z0-9._-]*\s*(\[[^\]]*\])?\s*([<>=!~@;(].*)?",
    "is not a requirement such as django-storages[s3] or celery==5.5.3.",
)

_RULES: dict[str, Callable[[Any], Any]] = {
    "name": _project_name,
    "directory": _directory,
    "git": _git,
    "package": _package,
    "version": _version,
    "path": _path,
    "domains": _list_of(_domain, "[shop.example.com]"),
    "settings": _settings,
    "application": _application,
    "requirements": _inside,
    "extra_requirements": _list_of(_requirement, "[django-storages]"),
    "packages": _list_of(
        _matching(r"[a-z0-9][a-z0-9+.-]+", "is not the name of a Debian package such as libpq5."),
        "[libpango-1.0-0]",
    ),
    "apps": _list_of(
        _matching(_DOTTED, "is not an app's Python name such as django.contrib.postgres."),
        "[django.contrib.postgres]",
    ),
    "environment": _environment,
    "static_url": _url_prefix,
    "media_url": _url_prefix,
    "media_s3": _media_s3,
    "server": _choice(SERVERS),
    "processes": _named("{worker: celery -A shop worker}", ("web",), _process),
    "schedule": _named(
        "{clearsessions: {command: python manage.py clearsessions, when: daily}}", (), _scheduled
    ),
    "hooks": _hooks,
    "overlay": _flag,
    "writable": _list_of(_writable, "[/var/lib/orchard]"),
    "upload_limit_mb": _megabytes,
    "microcache": _microcache,
}


# ---------------------------------------------------------------------------------------- fetch

Runner = Callable[..., "subprocess.CompletedProcess[str]"]


def run(
    argv: Sequence[str], *, timeout: float = 60, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program that can never ask a question.

    Args:
        argv: the program and its arguments.
        timeout: in seconds.
        environ: variables to add to this process's own.

    Returns:
        The finished process; exit status 124 when it took too long, 127 when it is not installed.
    """
    # GIT_DIR and its like are set when the playbook is started from a git hook.
    inherited = {key: value for key, value in os.environ.items() if key not in _GIT_LOCAL}
    quiet = {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    try:
        return subprocess.run(
            list(argv),
            env=inherited | quiet | dict(environ or {}),
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(argv, 124, "", f"timed out after {timeout:.0f} s")
    except FileNotFoundError:
        return subprocess.CompletedProcess(argv, 127, "", f"{argv[0]} is not installed")


_GIT_LOCAL = _word_set(
    "GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_PREFIX GIT_OBJECT_DIRECTORY GIT_COMMON_DIR"
)


@dataclasses.dataclass(frozen=True)
class File:
    """One file of a tree: its path below it, and what makes its content its own."""

    path: str
    mode: int  # 0o644 or 0o755
    digest: str  # sha256 of the content, hexadecimal; of the target for a link
    link: str = ""  # the target, for a symbolic link


@dataclasses.dataclass(frozen=True)
class Source:
    """The project's files on this machine.

    `files` are sorted by path. For a package they are only the files that detection reads.
    """

    tree: Path
    files: tuple[File, ...]
    revision: str
    description: str
    notes: tuple[str, ...] = ()

    @property
    def paths(self) -> frozenset[str]:
        """The paths of all files, relative to `tree`, with slashes."""
        return frozenset(file.path for file in self.files)

    def read(self, path: str) -> str:
        """The text of one file; what is no UTF-8 is replaced, and a missing file is empty."""
        try:
            return (self.tree / path).read_text("utf-8", errors="replace")
        except OSError:
            return ""


def fetch(
    project: Project, base_dir: Path, cache_dir: Path, run: Runner = run, where: str = WHERE
) -> Source:
    """Bring the project's files to this machine.

    Args:
        project: from `check`.
        base_dir: what a relative directory or git path is relative to.
        cache_dir: git mirrors and downloaded packages stay here; made when missing, private.
        run: starts git and pip; has the shape of `run` in this module.
        where: the file to name in sentences.

    Raises:
        ProjectError: when there is nothing to fetch there, or it cannot be reached.
    """
    if project.directory:
        return _fetch_directory(project, base_dir, run, where)
    with _cache(cache_dir):
        if project.git:
            return _fetch_git(project, base_dir, cache_dir / "git", run, where)
        return _fetch_package(project, cache_dir / "packages", run, where)


@contextlib.contextmanager
def _cache(cache_dir: Path) -> Iterator[None]:
    """Hold the cache alone: two runs at once must not write the same mirror."""
    cache_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (cache_dir / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch_directory(project: Project, base_dir: Path, run: Runner, where: str) -> Source:
    tree = Path(os.path.normpath(base_dir / Path(project.directory).expanduser()))
    key = f"{where}: project.directory"
    if not tree.is_dir():
        what = "is a file" if tree.exists() else "does not exist"
        raise ProjectError(
            f"{key}: {project.directory} {what} (looked at {tree}): write the directory that holds "
            f"the project, absolute or relative to {base_dir}."
        )
    notes: list[str] = []
    paths = _list_directory(tree, run, notes, key)
    if not paths:
        raise ProjectError(f"{key}: {tree} is empty: write the directory that holds manage.py.")
    files = _scan(tree, paths, key)
    return Source(tree, files, _digest(files)[:12], f"directory {project.directory}", tuple(notes))


def _list_directory(tree: Path, run: Runner, notes: list[str], key: str) -> list[str]:
    """The project's own files: what git would commit, or what is there when git is not used."""

    def listed(option: str) -> list[str]:
        argv = ["git", "-C", str(tree), "ls-files", option, "-z", "--exclude-standard"]
        result = run(argv)
        if result.returncode == 0:
            return [path for path in result.stdout.split("\0") if path]
        if result.returncode == 127 or "not a git repository" in result.stderr:
            raise LookupError
        raise ProjectError(f"{key}: git cannot list {tree}: {_last_line(result.stderr)}")

    try:
        tracked = listed("--cached")
        others = listed("--others")
    except LookupError:
        if (tree / ".gitignore").exists():
            notes.append(_note("note", ".gitignore is not followed: this is no git repository", ""))
        return _walk(tree, skip=True)
    skipped = _Skipped(tree)
    result: list[str] = []
    for path in dict.fromkeys(tracked + [one for one in others if not skipped(one)]):
        full = tree / path
        if full.is_dir() and not full.is_symlink():
            # A submodule, or a repository inside this one: git names only the directory.
            inner = _list_directory(full, run, notes, key)
            result += [posixpath.join(path, one) for one in inner]
        elif os.path.lexists(full):
            result.append(path)
    # Everything ignored: the directory is an ignored corner of a repository around it.
    return result or _walk(tree, skip=True)


class _Skipped:
    """Says whether an untracked path is a cache, a virtualenv or the like."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self.known: dict[str, bool] = {"": False}

    def __call__(self, path: str) -> bool:
        path = path.rstrip("/")
        name = posixpath.basename(path)
        if path not in self.known:
            self.known[path] = (
                self(posixpath.dirname(path))
                or name in SKIPPED_DIRECTORIES
                or name.endswith(SKIPPED_FILES)
                or (self.tree / path / "pyvenv.cfg").exists()
            )
        return self.known[path]


def _walk(tree: Path, *, skip: bool) -> list[str]:
    """Every file and link below `tree`; without caches and virtualenvs when `skip`."""
    skipped = _Skipped(tree) if skip else lambda path: False
    result: list[str] = []
    for root, directories, names in os.walk(tree):
        base = Path(root).relative_to(tree)
        below = {name: (base / name).as_posix() for name in directories + names}
        links = [name for name in directories if os.path.islink(os.path.join(root, name))]
        result += [below[name] for name in names + links if not skipped(below[name])]
        directories[:] = [n for n in directories if n not in links and not skipped(below[n])]
    return result


def _scan(tree: Path, paths: Iterable[str], key: str) -> tuple[File, ...]:
    """Hash every file of the tree, refuse links that leave it, leave out pipes and sockets."""
    files: list[File] = []
    real_tree = os.path.realpath(tree)
    for path in sorted(set(paths)):
        full = tree / path
        try:
            status = full.lstat()
            if stat.S_ISLNK(status.st_mode):
                target = os.readlink(full)
                _refuse_outside(real_tree, path, target, key)
                files.append(File(path, 0o644, _sha256(os.fsencode(target)), target))
            elif stat.S_ISREG(status.st_mode):
                with full.open("rb") as content:
                    digest = hashlib.file_digest(content, "sha256").hexdigest()
                files.append(File(path, _mode(status.st_mode), digest))
        except OSError as error:
            raise ProjectError(f"{key}: {full} cannot be read: {error.strerror}.") from None
    return tuple(files)


def _refuse_outside(real_tree: str, path: str, target: str, key: str) -> None:
    lexical = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
    # Both are needed: `..` behind a linked directory is not where the text says it is.
    real = os.path.realpath(os.path.join(real_tree, path))
    outside = os.path.commonpath([real_tree, real]) != real_tree
    if target.startswith("/") or lexical.split("/")[0] == ".." or outside:
        raise ProjectError(
            f"{key}: {path} is a link to {target}, outside the project, where no machine would "
            "find it: replace it by the files or a relative link, or list it in .gitignore."
        )


def _mode(mode: int) -> int:
    return 0o755 if mode & stat.S_IXUSR else 0o644


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _digest(files: Iterable[File]) -> str:
    """One sha256 over names, modes, kinds and contents; `files` sorted by path."""
    total = hashlib.sha256()
    for file in files:
        kind = "link" if file.link else f"{file.mode:o}"
        total.update(f"{kind} {file.digest} ".encode() + os.fsencode(file.path) + b"\0")
    return total.hexdigest()


def _fetch_git(project: Project, base_dir: Path, cache: Path, run: Runner, where: str) -> Source:
    key = f"{where}: project.git"
    url, login = _git_login(_git_url(project.git, base_dir))
    run = functools.partial(run, environ=login)
    mirror = cache / f"{_sha256(url.encode())[:16]}.git"
    sha = _resolve(project, url, mirror, run, where)
    trees = mirror.with_suffix(".trees")
    tree = trees / sha
    if not tree.is_dir():
        _unpack_commit(mirror, sha, tree, run, key)
    os.utime(tree)
    _prune(trees.iterdir(), KEPT)
    files = _scan(tree, _walk(tree, skip=False), key)
    notes = []
    if ".gitmodules" in {file.path for file in files}:
        notes.append(_note("warning", "git submodules are not fetched", ".gitmodules"))
    if "filter=lfs" in Source(tree, (), "", "").read(".gitattributes"):
        notes.append(_note("warning", "git LFS files may arrive as pointers", ".gitattributes"))
    return Source(tree, files, sha, f"git {without_password(project.git)}", tuple(notes))


def _git_url(value: str, base_dir: Path) -> str:
    """A path becomes absolute, a URL stays."""
    if "://" in value or re.match(r"[^/]+:", value):
        return value
    return os.path.normpath(base_dir / Path(value).expanduser())


def _git_login(url: str) -> tuple[str, dict[str, str]]:
    """Take user:password out of an https URL, into variables: other users see the arguments."""
    parts = urllib.parse.urlsplit(url) if re.match("https?://", url) else None
    if not parts or parts.password is None:
        return url, {}
    host = parts.netloc.rpartition("@")[2]
    answer = 'echo "username=$ESPALIER_GIT_USER"; echo "password=$ESPALIER_GIT_PASSWORD"'
    return parts._replace(netloc=host).geturl(), {
        "GIT_CONFIG_COUNT": "1",
        # Only for this host: a redirect elsewhere must not get the password.
        "GIT_CONFIG_KEY_0": f"credential.{parts.scheme}://{host}.helper",
        "GIT_CONFIG_VALUE_0": f"!f() {{ {answer}; }}; f",
        "ESPALIER_GIT_USER": urllib.parse.unquote(parts.username or ""),
        "ESPALIER_GIT_PASSWORD": urllib.parse.unquote(parts.password),
    }


def without_password(url: str) -> str:
    """The URL without its `user:password@`, for people to read."""
    return re.sub(r"(://)[^/@]*@", r"\1", url)


def commits(
    project: Project, base_dir: Path, cache_dir: Path, before: str, after: str, run: Runner = run
) -> list[str]:
    """The commits that one release has and another lacks, the newest first, a line each.

    Args:
        project: from `check`; only one with `git` has commits, others give none.
        base_dir: what a relative path in it is relative to.
        cache_dir: that of `fetch`, where the mirror is.
        before: revision of the live release.
        after: revision of the one that is wanted.
    """
    if not project.git or not before:
        return []
    url, _ = _git_login(_git_url(project.git, base_dir))
    mirror = cache_dir / "git" / f"{_sha256(url.encode())[:16]}.git"
    argv = ["git", f"--git-dir={mirror}", "log", "--format=%h %s", "-n", "50", f"{before}..{after}"]
    result = run(argv)
    return result.stdout.splitlines() if result.returncode == 0 else []


def _resolve(project: Project, url: str, mirror: Path, run: Runner, where: str) -> str:
    """The commit that `version` names, fetched into the mirror. One ls-remote when it is there."""
    version = project.version

    def has(commit: str) -> str:
        if not mirror.is_dir():
            return ""
        argv = ["git", f"--git-dir={mirror}", "rev-parse", "--verify", "-q", f"{commit}^{{commit}}"]
        return run(argv).stdout.strip()

    # A whole commit id never changes its meaning: no need to ask the remote.
    if re.fullmatch(r"[0-9a-f]{40}", version) and has(version):
        return version
    result = run(["git", "ls-remote", "--", url], timeout=60)
    if result.returncode:
        raise ProjectError(_git_sentence(project.git, url, result, where))
    refs = dict(
        reversed(line.split("\t", 1)) for line in result.stdout.splitlines() if "\t" in line
    )
    if not refs:
        raise ProjectError(
            f"{where}: project.git: {without_password(project.git)} has no commit yet: push the "
            "project there first."
        )
    wanted = (
        [f"refs/heads/{version}", f"refs/tags/{version}^{{}}", f"refs/tags/{version}"]
        if version
        else ["HEAD"]
    )
    sha = next((refs[ref] for ref in wanted if ref in refs), "")
    is_commit = re.fullmatch(r"[0-9a-f]{7,40}", version)
    if (sha and not has(sha)) or (not sha and is_commit and not has(version)):
        _update_mirror(project, url, mirror, run, where)
    commit = has(sha or version) if sha or is_commit else ""
    if not commit:
        raise ProjectError(_no_version(project, refs, where))
    return commit


def _update_mirror(project: Project, url: str, mirror: Path, run: Runner, where: str) -> None:
    if not mirror.is_dir():
        run(["git", "init", "-q", "--bare", str(mirror)])
    # Branches and tags only: a plain mirror of a forge also brings every pull request.
    argv = [
        "git",
        f"--git-dir={mirror}",
        "fetch",
        "-q",
        "--prune",
        "--force",
        "--no-tags",
        "--",
        url,
    ]
    result = run([*argv, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"], timeout=900)
    if result.returncode:
        raise ProjectError(_git_sentence(project.git, url, result, where))


def _git_sentence(said: str, url: str, result: subprocess.CompletedProcess[str], where: str) -> str:
    public = without_password(said)
    error = result.stderr.replace(url, public)
    start = f"{where}: project.git: {public}"
    causes = (
        (r"is not installed", "needs git on this machine: install git."),
        (
            r"could not read Username|Authentication failed|Permission denied|denied to",
            "does not exist, or needs a login: check the URL, or use one that this machine may "
            "read without a question (an SSH key in the agent, or a token in the URL).",
        ),
        (
            r"not found|does not exist|not appear to be a git repository",
            "is not a git repository: check the spelling.",
        ),
        (
            r"resolve host|unable to access|timed out|refused|unreachable|Connection",
            f"cannot be reached from this machine ({_last_line(error)}): check the host name and "
            "the network.",
        ),
    )
    cause = next((text for pattern, text in causes if re.search(pattern, error, re.I)), None)
    return f"{start} {cause or f'cannot be read by git: {_last_line(error)}'}"


def _no_version(project: Project, refs: Mapping[str, str], where: str) -> str:
    names = [
        re.sub(r"^refs/(heads|tags)/", "", ref)
        for ref in refs
        if ref.startswith(("refs/heads/", "refs/tags/")) and not ref.endswith("^{}")
    ]
    url = without_password(project.git)
    if not project.version:
        return (
            f"{where}: project.version: {url} has no default branch: write one of "
            f"{_words(names[:8])}."
        )
    near = difflib.get_close_matches(project.version, names, n=3, cutoff=0.5)
    hint = f"did you mean {_words(near)}?" if near else f"there are {_words(names[:8])}."
    return (
        f'{where}: project.version: {url} has no branch, tag or commit "{project.version}": {hint}'
    )


def _unpack_commit(mirror: Path, sha: str, tree: Path, run: Runner, key: str) -> None:
    tree.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tree.parent) as directory:
        archive = Path(directory, "tree.tar")
        result = run(
            ["git", f"--git-dir={mirror}", "archive", "-o", str(archive), sha], timeout=300
        )
        if result.returncode:
            raise ProjectError(f"{key}: git cannot unpack {sha}: {_last_line(result.stderr)}")
        with tarfile.open(archive) as tar:
            # Older Pythons lack the filter; a git tree cannot name a path outside itself.
            safe = {"filter": "tar"} if hasattr(tarfile, "tar_filter") else {}
            tar.extractall(Path(directory, "tree"), **safe)
        Path(directory, "tree").mkdir(exist_ok=True)
        os.rename(Path(directory, "tree"), tree)


def _prune(paths: Iterable[Path], keep: int) -> None:
    """Remove all but the `keep` newest: the cache must not fill the disk."""
    dated = []
    for path in paths:
        with contextlib.suppress(OSError):
            dated.append((path.stat().st_mtime, str(path)))
    for _, name in sorted(dated, reverse=True)[keep:]:
        if os.path.isdir(name):
            shutil.rmtree(name, ignore_errors=True)
        else:
            Path(name).unlink(missing_ok=True)


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return re.sub(r"^(fatal|error): ", "", lines[-1]).rstrip(".") if lines else "no reason given"


def _fetch_package(project: Project, cache: Path, run: Runner, where: str) -> Source:
    name, extras = re.fullmatch(r"([^\[]+)(\[.*\])?", project.package).groups()
    home = cache / re.sub(r"[-_.]+", "-", name).lower()
    home.mkdir(parents=True, exist_ok=True)
    notes = []
    version = project.version
    tree = home / version
    if not version or not tree.is_dir():
        with tempfile.TemporaryDirectory(dir=home) as temporary:
            file = _download(project, name, Path(temporary), run, where)
            version = version or _version_of(file.name)
            tree = home / version
            if not tree.is_dir():
                unpacked = Path(temporary, "tree")
                _unpack_package(file, unpacked)
                os.rename(unpacked, tree)
    if not project.version:
        what = f'the newest today; `version: "{version}"` would keep it'
        notes.append(_note("version", version, what))
    files = _scan(tree, _walk(tree, skip=False), f"{where}: project.package")
    return Source(tree, files, version, f"package {name}{extras or ''}", tuple(notes))


def _download(project: Project, name: str, target: Path, run: Runner, where: str) -> Path:
    wanted = f"{name}=={project.version}" if project.version else name
    # The machine's Python decides what may be installed, not this one: uv says so there.
    pip = [sys.executable, "-m", "pip", "download", "-q", "--no-input", "--no-deps"]
    argv = [*pip, "--ignore-requires-python", "--progress-bar", "off", "-d", str(target), wanted]
    result = run(argv, timeout=900)
    files = [file for file in target.iterdir() if file.name.endswith((".whl", ".tar.gz", ".zip"))]
    if result.returncode == 0 and files:
        return files[0]
    error = result.stderr + result.stdout
    start = f"{where}: project.package:"
    if "No module named pip" in error:
        raise ProjectError(
            f"{start} this needs pip beside Ansible's own Python: run {sys.executable} -m ensurepip"
        )
    if re.search(
        r"NewConnection|resolv|Max retries|timed out|Connection|ProxyError|SSLError", error
    ):
        raise ProjectError(
            f"{start} the Python index cannot be reached from this machine "
            f"({_last_line(error)}): check the network and pip's configuration."
        )
    known = re.search(r"from versions: ([^)]*)\)", error)
    versions = [] if not known or known[1] == "none" else known[1].split(", ")
    if project.version and versions:
        raise ProjectError(
            f'{where}: project.version: {name} has no version "{project.version}" on the Python '
            f"index: the last ones are {', '.join(versions[-5:])}."
        )
    if "No matching distribution" in error:
        raise ProjectError(f"{start} there is no {wanted} on the Python index: check the spelling.")
    raise ProjectError(f"{start} pip cannot download {wanted}: {_last_line(error)}.")


def _version_of(filename: str) -> str:
    if filename.endswith(".whl"):
        return filename.split("-")[1]
    return re.sub(r"\.(tar\.gz|zip)$", "", filename).rpartition("-")[2]


_READ_FROM_PACKAGES = ("wsgi.py", "asgi.py", "manage.py", "__main__.py", "celery.py")


def _unpack_package(file: Path, target: Path) -> None:
    """Unpack the few files of a wheel or sdist that detection reads."""

    def wanted(name: str) -> str:
        path = name
        if not file.name.endswith(".whl"):
            path = re.sub(r"^[^/]+/(src/)?", "", name)
        last = posixpath.basename(path)
        safe = ".." not in path.split("/") and not path.startswith("/")
        useful = last in _READ_FROM_PACKAGES or "settings" in path
        return path if safe and useful and last.endswith(".py") else ""

    def save(name: str, content: bytes) -> None:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    target.mkdir()
    if file.name.endswith(".tar.gz"):
        with tarfile.open(file) as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isfile() else None
                if content and wanted(member.name):
                    save(wanted(member.name), content.read())
    else:
        with zipfile.ZipFile(file) as archive:
            for name in filter(wanted, archive.namelist()):
                save(wanted(name), archive.read(name))


# --------------------------------------------------------------------------------------- detect


@dataclasses.dataclass(frozen=True)
class Found:
    """A value, and in words where it was found."""

    value: str
    where: str


@dataclasses.dataclass(frozen=True)
class Detected:
    """What runs the project. Paths are relative to the source tree."""

    workdir: Found  # the directory of manage.py; "" is the root
    settings: Found
    application: Found
    interface: str  # "wsgi" or "asgi"
    requirements: Found  # the file, or for a package its exact version
    requirements_kind: str  # "requirements", "uv.lock", "pyproject" or "package"
    server: Found  # what runs the application
    notes: tuple[str, ...] = ()  # lines to show the user before the values are used


def detect(project: Project, source: Source, where: str = WHERE) -> Detected:
    """Find what the user did not state.

    Args:
        project: from `check`; what it states is taken, after a look that it exists.
        source: from `fetch`; no code of the project is run.
        where: the file to name in sentences.

    Raises:
        ProjectError: when a value is found nowhere, or in several places.
    """
    tree = _Tree(source, where)
    if project.package:
        workdir = Found("", "generated")
        tree.root = ""
        settings = _package_settings(project, tree)
        exact = f"{project.package}=={source.revision}"
        requirements, kind = Found(exact, "project.package"), "package"
    else:
        workdir = _find_manage(project, tree)
        tree.root = workdir.value
        settings = _find_settings(project, tree)
        requirements, kind = _find_requirements(project, tree)
    application, interface = _find_application(project, tree, settings.value, requirements.value)
    server = _find_server(project, tree, settings.value, requirements.value, interface)
    manage = posixpath.join(workdir.value, "manage.py")
    lines = [
        _note("source", f"{source.description} at {source.revision[:12]}", ""),
        _note("manage.py", manage, workdir.where),
        _note("settings", settings.value, settings.where),
        _note("application", f"{application.value} ({interface})", application.where),
        _note("requirements", requirements.value, requirements.where),
        *([_note("server", server.value, server.where)] if server.where else []),
        *_other_notes(tree, settings.value),
    ]
    return Detected(
        workdir,
        settings,
        application,
        interface,
        requirements,
        kind,
        server,
        (*lines, *source.notes, *_size_note(project, source)),
    )


def _note(label: str, value: str, found: str) -> str:
    return f"{label:<13}{value}" + (f" ({found})" if found else "")


class _Tree:
    """The source tree as detection sees it: modules are looked up from `root`."""

    def __init__(self, source: Source, where: str) -> None:
        self.paths = source.paths
        self.read = source.read
        self.where = where
        self.root = ""

    def module(self, dotted: str) -> str:
        """The file of a Python module below `root`, or ""."""
        base = posixpath.join(self.root, *dotted.split("."))
        return next((f for f in (f"{base}.py", f"{base}/__init__.py") if f in self.paths), "")

    def dotted(self, path: str) -> str:
        """The Python module of a file below `root`."""
        below = posixpath.relpath(path, self.root or ".")
        return re.sub(r"(/__init__)?\.py$", "", below).replace("/", ".")

    def named(self, *names: str) -> list[str]:
        """Files with one of these names below `root`, nearest first, no tests and no examples."""
        prefix = f"{self.root}/" if self.root else ""
        found = [
            path
            for path in self.paths
            if posixpath.basename(path) in names
            and path.startswith(prefix)
            and not _is_foreign(path)
            and not SECONDARY_DIRECTORIES & set(path[len(prefix) :].split("/"))
        ]
        return sorted(found, key=_nearest)


def _nearest(path: str) -> tuple[int, str]:
    return path.count("/"), path


def _is_foreign(path: str) -> bool:
    parts = path.split("/")[:-1]
    return any(part.startswith(".") or part in ("node_modules", "site-packages") for part in parts)


def _find_manage(project: Project, tree: _Tree) -> Found:
    virtualenvs = [posixpath.dirname(p) + "/" for p in tree.paths if p.endswith("/pyvenv.cfg")]
    found = [
        path
        for path in sorted(tree.paths, key=_nearest)
        if posixpath.basename(path) == "manage.py"
        and not _is_foreign(path)
        and not path.startswith(tuple(virtualenvs))
    ]
    directories = [posixpath.dirname(path) or "." for path in found]
    if project.path is not None:
        if (project.path or ".") in directories:
            return Found(project.path, "project.path")
        hint = f"there is one in {_words(directories)}" if found else "there is none anywhere"
        raise ProjectError(
            f'{tree.where}: project.path: there is no manage.py in "{project.path or "."}": {hint}.'
        )
    if not found:
        raise ProjectError(
            f"{tree.where}: no manage.py was found in the project, so it is no Django project, or "
            "only a part of one: check `directory:` or `git:`."
        )

    def secondary(path: str) -> bool:
        nearer = any(other.count("/") < path.count("/") for other in found)
        return nearer and bool(SECONDARY_DIRECTORIES & set(path.lower().split("/")))

    kept = [path for path in found if not secondary(path)]
    if len(kept) > 1:
        choices = _words(posixpath.dirname(path) or "." for path in kept)
        raise ProjectError(
            f"{tree.where}: the project has several manage.py, in {choices}: write `path:` with "
            "the directory of the one to deploy."
        )
    return Found(
        posixpath.dirname(kept[0]), "the only one" if len(found) == 1 else "nearest the root"
    )


def _named_settings(text: str) -> list[tuple[str, int]]:
    """Modules that a Python file names beside DJANGO_SETTINGS_MODULE, each with its line."""
    variable = "DJANGO_SETTINGS_MODULE"
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError):
        # Perhaps Python 2, or a newer Python than this one.
        pattern = rf"{variable}['\"]\]?\s*[,=]\s*['\"]({_DOTTED})['\"]"
        matches = re.finditer(pattern, text)
        return [(match[1], text.count("\n", 0, match.start()) + 1) for match in matches]
    found: list[tuple[str, int]] = []
    for statement in ast.walk(module):
        if not isinstance(statement, ast.Expr | ast.Assign):
            continue
        words = [
            (node.value, node.lineno)
            for node in ast.walk(statement)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        if variable in (word for word, _ in words):
            found += [w for w in words if w[0] != variable and re.fullmatch(_DOTTED, w[0])]
    return list({word: (word, line) for word, line in reversed(found)}.values())[::-1]


def _find_settings(project: Project, tree: _Tree) -> Found:
    if project.settings:
        _refuse_unknown_module(project.settings, "settings", tree)
        return Found(project.settings, "project.settings")
    manage = posixpath.join(tree.root, "manage.py")
    for path in [manage, *tree.named("wsgi.py", "asgi.py")]:
        named = _named_settings(tree.read(path))
        existing = [one for one in named if tree.module(one[0])] or named
        plain = [one for one in existing if "test" not in one[0].rpartition(".")[2]] or existing
        if len(plain) > 1:
            raise ProjectError(
                f"{tree.where}: {path} names several settings modules, "
                f"{_words(name for name, _ in plain)}: write `settings:` with the one to run."
            )
        if plain:
            name, line = plain[0]
            _refuse_unknown_module(name, "settings", tree)
            return Found(name, f"{path} line {line}")
    raise ProjectError(
        f"{tree.where}: {manage} does not say which settings module the project runs: write it, "
        "for example `settings: mysite.settings`."
    )


def _refuse_unknown_module(dotted: str, key: str, tree: _Tree) -> None:
    """Refuse a module that ought to be in the tree; one of an installed package may be absent."""
    if tree.module(dotted):
        return
    top = dotted.split(".")[0]
    prefix = posixpath.join(tree.root, top)
    names = ("settings", dotted.rpartition(".")[2]) if key == "settings" else ("wsgi", "asgi")
    existing = sorted(
        tree.dotted(path)
        for path in tree.paths
        if path.endswith(".py")
        and (not tree.root or path.startswith(f"{tree.root}/"))
        and any(name in path for name in names)
    )
    near = difflib.get_close_matches(dotted, existing, n=3, cutoff=0.7)
    ours = any(path.startswith(f"{prefix}/") or path == f"{prefix}.py" for path in tree.paths)
    if ours or near:
        hint = f"did you mean {_words(near)}?" if near else f"write `{key}:` with one that exists."
        raise ProjectError(
            f"{tree.where}: project.{key}: the project has no module {dotted} in "
            f"{tree.root or 'its root'}: {hint}"
        )


def _package_settings(project: Project, tree: _Tree) -> Found:
    if project.settings:
        _refuse_unknown_module(project.settings, "settings", tree)
        return Found(project.settings, "project.settings")
    for path in tree.named("wsgi.py", "asgi.py", "manage.py", "__main__.py"):
        for name, line in _named_settings(tree.read(path)):
            if tree.module(name):
                return Found(name, f"{path} line {line} of the package")
    likely = [
        path
        for path in tree.named("settings.py", "__init__.py")
        if tree.dotted(path).rpartition(".")[2] == "settings"
        and re.search(r"INSTALLED_APPS|ROOT_URLCONF", tree.read(path))
    ]
    if len(likely) == 1:
        return Found(tree.dotted(likely[0]), f"{likely[0]} of the package")
    name = project.package
    what = (
        f"has several settings modules, {_words(map(tree.dotted, likely))}"
        if likely
        else "has no settings module of its own (an app to add to a project, perhaps?)"
    )
    raise ProjectError(f"{tree.where}: the package {name} {what}: write `settings:`.")


def _settings_files(tree: _Tree, settings: str) -> list[str]:
    """The file of the settings module and of those it imports with a star, in that order."""
    found: list[str] = []
    waiting = [settings]
    while waiting and len(found) < 20:
        dotted = waiting.pop(0)
        path = tree.module(dotted)
        if not path or path in found:
            continue
        found.append(path)
        package = dotted if path.endswith("/__init__.py") else dotted.rpartition(".")[0]
        for match in re.finditer(r"(?m)^\s*from\s+(\.*)([\w.]*)\s+import\s+\*", tree.read(path)):
            dots, name = match[1], match[2]
            parts = package.split(".")
            base = ".".join(parts[: len(parts) - len(dots) + 1]) if dots else ""
            waiting.append(".".join(part for part in (base, name) if part))
    return found


def _find_application(
    project: Project, tree: _Tree, settings: str, requirements: str
) -> tuple[Found, str]:
    stated = {
        kind: _stated_application(tree, settings, f"{kind.upper()}_APPLICATION")
        for kind in ("wsgi", "asgi")
    }
    if project.application:
        module = project.application.partition(":")[0]
        _refuse_unknown_module(module, "application", tree)
        asgi = stated["asgi"] and stated["asgi"].value == project.application
        interface = "asgi" if asgi or "asgi" in module.rpartition(".")[2] else "wsgi"
        return Found(project.application, "project.application"), interface
    found = {kind: stated[kind] or _application_file(tree, settings, kind) for kind in stated}
    channels = _mentions_channels(tree, settings, requirements)
    if found["asgi"] and channels:
        return Found(found["asgi"].value, f"{found['asgi'].where}; {channels}"), "asgi"
    for kind in ("wsgi", "asgi"):
        if found[kind]:
            return found[kind], kind
    raise ProjectError(
        f"{tree.where}: the project has neither a wsgi.py nor an asgi.py with an `application`: "
        "write `application:`, for example `application: mysite.wsgi:application`."
    )


def _stated_application(tree: _Tree, settings: str, name: str) -> Found | None:
    """What the settings say in WSGI_APPLICATION or ASGI_APPLICATION, if that module exists."""
    for path in _settings_files(tree, settings):
        text = tree.read(path)
        match = re.search(rf"(?m)^{name}\s*=\s*['\"]({_DOTTED})\.([A-Za-z_]\w*)['\"]", text)
        if match and tree.module(match[1]):
            line = text.count("\n", 0, match.start()) + 1
            return Found(f"{match[1]}:{match[2]}", f"{name}, {path} line {line}")
    return None


def _application_file(tree: _Tree, settings: str, kind: str) -> Found | None:
    """The wsgi.py or asgi.py that lies nearest to the settings."""
    package = settings.split(".")

    def shared(path: str) -> int:
        pairs = zip(tree.dotted(path).split("."), package, strict=False)
        return next((i for i, (a, b) in enumerate(pairs) if a != b), len(package))

    for path in sorted(tree.named(f"{kind}.py"), key=lambda path: -shared(path)):
        if re.search(
            r"(?m)^\s*(application\b.*=|from .* import .*\bapplication\b)", tree.read(path)
        ):
            return Found(f"{tree.dotted(path)}:application", path)
    return None


def _find_server(
    project: Project, tree: _Tree, settings: str, requirements: str, interface: str
) -> Found:
    if project.server:
        return Found(project.server, "project.server")
    # The others cut WebSockets when a release is switched, gunicorn after a minute's wait.
    channels = _mentions_channels(tree, settings, requirements) if interface == "asgi" else ""
    if channels:
        return Found("uvicorn", f"{channels}: it closes WebSockets")
    return Found("gunicorn", "")


def _mentions_channels(tree: _Tree, settings: str, requirements: str) -> str:
    """Where Channels or Daphne is in use, in words, or ""."""
    quoted = r"['\"](channels|daphne)['\"]"
    for path in _settings_files(tree, settings):
        match = re.search(quoted, tree.read(path))
        if match:
            return f"{path} uses {match[1]}"
    required = r"(?im)(?:^\s*|['\"])(channels|daphne)(?=[\[<>=~!;,'\"\s]|$)"
    match = re.search(required, tree.read(requirements)) if requirements in tree.paths else None
    return f"{requirements} has {match[1]}" if match else ""


def _find_requirements(project: Project, tree: _Tree) -> tuple[Found, str]:
    directories = [tree.root]
    while directories[-1]:
        directories.append(posixpath.dirname(directories[-1]))
    if project.requirements:
        for directory in directories[:1] + directories[-1:]:
            path = posixpath.join(directory, project.requirements)
            if path in tree.paths:
                return _usable(tree, path, "project.requirements")
        near = [
            p
            for p in sorted(tree.paths, key=_nearest)
            if re.search(r"require.*\.txt$|uv\.lock$", p)
        ]
        hint = f"there is {_words(near[:5])}" if near else "check the spelling"
        raise ProjectError(
            f"{tree.where}: project.requirements: there is no {project.requirements} beside "
            f"manage.py or in the project's root: {hint}."
        )
    names = ["uv.lock", "requirements.txt"]
    names += [f"requirements/{name}.txt" for name in ("production", "prod", "base")]
    for directory in directories:
        place = f"in {directory or 'the root'}" if directory != tree.root else "beside manage.py"
        for name in [*names, "pyproject.toml"]:
            path = posixpath.join(directory, name)
            if path in tree.paths and _offers_dependencies(tree, path):
                return _usable(tree, path, place)
    raise ProjectError(f"{tree.where}: {_why_no_requirements(tree, directories)}")


def _offers_dependencies(tree: _Tree, path: str) -> bool:
    name = posixpath.basename(path)
    if name == "uv.lock":
        # A lock without Django locks the tools of a repository, not the site.
        beside = posixpath.join(posixpath.dirname(path), "pyproject.toml") in tree.paths
        return beside and bool(re.search(r'(?m)^name = "django"', tree.read(path)))
    if name == "pyproject.toml":
        return bool(_pyproject(tree, path).get("project", {}).get("dependencies"))
    return True


def _pyproject(tree: _Tree, path: str) -> dict[str, Any]:
    try:
        return tomllib.loads(tree.read(path))
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(
            f"{tree.where}: the project's {path} is not valid TOML: {error}."
        ) from None


def _usable(tree: _Tree, path: str, where: str) -> tuple[Found, str]:
    kinds = {"uv.lock": "uv.lock", "pyproject.toml": "pyproject"}
    kind = kinds.get(posixpath.basename(path), "requirements")
    if "\0" in tree.read(path):
        raise ProjectError(
            f"{tree.where}: the project's {path} is UTF-16 text, which `>` in PowerShell makes: "
            "save it as UTF-8."
        )
    if (
        kind == "uv.lock"
        and posixpath.join(posixpath.dirname(path), "pyproject.toml") not in tree.paths
    ):
        raise ProjectError(
            f"{tree.where}: project.requirements: {path} has no pyproject.toml beside it."
        )
    if kind == "pyproject" and not _offers_dependencies(tree, path):
        raise ProjectError(
            f"{tree.where}: project.requirements: {path} has no `dependencies` in [project]."
        )
    return Found(path, where), kind


def _why_no_requirements(tree: _Tree, directories: Iterable[str]) -> str:
    for directory in directories:
        pyproject = posixpath.join(directory, "pyproject.toml")
        if pyproject in tree.paths and _pyproject(tree, pyproject).get("tool", {}).get("poetry"):
            return (
                f"{pyproject} lists the requirements in Poetry's own table: run `poetry export -o "
                "requirements.txt` (or move them to [project]) and keep that file with the code."
            )
        pipfile = posixpath.join(directory, "Pipfile")
        if pipfile in tree.paths:
            return (
                f"{pipfile} lists the requirements in Pipenv's format: run `pipenv requirements > "
                "requirements.txt` and keep that file with the code."
            )
    return (
        "the project does not say what it needs (no requirements.txt, uv.lock or pyproject.toml "
        "with dependencies beside manage.py or above): run `pip freeze > requirements.txt` in the "
        "environment where runserver works, or write `requirements:` with the file's path."
    )


def _other_notes(tree: _Tree, settings: str) -> Iterator[str]:
    package, _, last = settings.rpartition(".")
    if last in ("dev", "develop", "development", "local"):
        for name in ("production", "prod"):
            path = tree.module(f"{package}.{name}")
            if path:
                what = f"{path} exists too; `settings: {package}.{name}` would run it"
                yield _note("note", what, "")
                break
    for path in tree.named("celery.py", "celery_app.py"):
        if re.search(r"=\s*Celery\(", tree.read(path)):
            yield _note("note", f"{path} has a Celery app; no worker is started for it", "")
            break


def _size_note(project: Project, source: Source) -> Iterator[str]:
    """Say it when a directory is so large that it probably holds uploads or data."""
    if not project.directory:
        return
    sizes: dict[str, int] = {}
    for file in source.files:
        top = file.path.split("/")[0]
        sizes[top] = sizes.get(top, 0) + (source.tree / file.path).lstat().st_size
    total = sum(sizes.values())
    if total > LARGE:
        top = max(sizes, key=lambda name: sizes[name])
        size = f"{total // 2**20} MB, of which {sizes[top] // 2**20} MB in {top}"
        yield _note("warning", f"{size}: list in .gitignore what is not code", "")


# ---------------------------------------------------------------------------------------- build


@dataclasses.dataclass(frozen=True)
class Archive:
    """A release's content as one file: `<name>-<identity>.tar.gz`, and its build.json."""

    path: Path
    identity: str  # 16 hexadecimal digits: the same content has the same identity
    build: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class _Entry:
    """One member of the archive: `origin` is a file on this machine, or the content itself."""

    file: File
    origin: Path | bytes


_MANAGE = """\
#!/usr/bin/env python3
\"\"\"Run Django's management commands. Written by Espalier: the package brings no manage.py.\"\"\"

import os
import sys

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{settings}")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
"""


def build(
    project: Project,
    source: Source,
    detected: Detected,
    overlay_dir: Path,
    extra_requirements: Mapping[str, Sequence[str]],
    out_dir: Path,
) -> Archive:
    """Write the archive, unless the same content is there already.

    Args:
        project: from `check`.
        source: from `fetch`.
        detected: from `detect`.
        overlay_dir: the directory that holds the package `espalier_overlay`.
        extra_requirements: the kit's own by server; the project's win for the same name.
        out_dir: where the archive goes; the newest few of each project stay there.

    Raises:
        ProjectError: when the overlay is missing or a file changes while it is packed.
    """
    entries = [*_code(project, source, detected), *_overlay(overlay_dir)]
    content = _digest(entry.file for entry in entries)
    record = _record(project, source, detected, extra_requirements)
    everything = f"{content} {json.dumps(record, sort_keys=True)}"
    record["identity"] = _sha256(everything.encode())[:16]
    path = out_dir / f"{project.name}-{record['identity']}.tar.gz"
    out_dir.mkdir(parents=True, exist_ok=True)
    if path.exists():
        os.utime(path)
    else:
        text = (json.dumps(record, indent=2, sort_keys=True) + "\n").encode()
        _write(path, [_generated("build.json", text), *entries])
    # A name holds no dash, so this never matches the archives of another project.
    _prune(out_dir.glob(f"{project.name}-*.tar.gz"), KEPT)
    return Archive(path, record["identity"], record)


def _record(
    project: Project,
    source: Source,
    detected: Detected,
    extra_requirements: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """build.json without its identity."""
    package = detected.requirements_kind == "package"
    requirements = detected.requirements.value
    server = detected.server.value
    return {
        "project": project.name,
        "source": source.description,
        "version": project.version,
        "revision": source.revision,
        "workdir": posixpath.join("code", detected.workdir.value).rstrip("/"),
        "manage": "manage.py",
        "settings": detected.settings.value,
        "application": detected.application.value,
        "interface": detected.interface,
        "overlay": project.overlay,
        # Apps bring migrations and static files, so that another list is another release.
        "apps": list(project.apps),
        "requirements": {
            "kind": detected.requirements_kind,
            "path": "" if package else f"code/{requirements}",
            "spec": requirements if package else "",
        },
        "extra_requirements": _merged(
            extra_requirements.get(server, ()), project.extra_requirements
        ),
        "python": "",
        # Only what is said: a project that says nothing keeps the identity that it had.
        **{
            key: value
            for key, value in (
                ("server", project.server or (server if server != "gunicorn" else "")),
                ("processes", dict(project.processes)),
                ("schedule", dict(project.schedule)),
                ("hooks", {moment: list(commands) for moment, commands in project.hooks.items()}),
            )
            if value
        },
    }


def _merged(kit: Sequence[str], own: Sequence[str]) -> list[str]:
    """The kit's requirements, without those that the project names itself, then the project's."""

    def name(requirement: str) -> str:
        return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement.strip())[0]).lower()

    named = {name(requirement) for requirement in own}
    return [requirement for requirement in kit if name(requirement) not in named] + list(own)


def _code(project: Project, source: Source, detected: Detected) -> Iterator[_Entry]:
    if project.package:
        text = _MANAGE.format(settings=detected.settings.value)
        yield _generated("code/manage.py", text.encode(), 0o755)
        return
    for file in source.files:
        yield _Entry(dataclasses.replace(file, path=f"code/{file.path}"), source.tree / file.path)


def _overlay(overlay_dir: Path) -> Iterator[_Entry]:
    package = overlay_dir / "espalier_overlay"
    if not (package / "__init__.py").is_file():
        raise ProjectError(
            f"the kit's settings overlay is missing: {package} is no Python package."
        )
    for path in sorted(
        package.rglob("*.py"), key=lambda path: path.relative_to(overlay_dir).as_posix()
    ):
        name = path.relative_to(overlay_dir).as_posix()
        if "tests" not in name.split("/"):
            yield _generated(f"overlay/{name}", path.read_bytes())


def _generated(path: str, content: bytes, mode: int = 0o644) -> _Entry:
    return _Entry(File(path, mode, _sha256(content)), content)


def _write(path: Path, entries: Iterable[_Entry]) -> None:
    """Write a tar.gz that depends on nothing but the entries: no time, no owner, no name."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with (
            os.fdopen(handle, "wb") as raw,
            gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for entry in entries:
                _add(tar, entry)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _add(tar: tarfile.TarFile, entry: _Entry) -> None:
    member = tarfile.TarInfo(entry.file.path)
    member.mode = entry.file.mode
    if entry.file.link:
        member.type, member.linkname = tarfile.SYMTYPE, entry.file.link
        tar.addfile(member)
        return
    try:
        content = entry.origin if isinstance(entry.origin, bytes) else entry.origin.read_bytes()
    except OSError:
        content = b""
    # The identity was computed from the first reading: what is packed must be the same.
    if _sha256(content) != entry.file.digest:
        raise ProjectError(f"{entry.origin} changed while it was packed: run again.")
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


@dataclasses.dataclass(frozen=True)
class Packed:
    """What `pack` returns: every stage's result."""

    project: Project
    source: Source
    detected: Detected
    archive: Archive


def _check_server(project: Project, detected: Detected, where: str) -> None:
    """Refuse a server that does not speak the application's interface."""
    speaks = {"uvicorn": ("asgi",), "uwsgi": ("wsgi",)}.get(project.server, ("wsgi", "asgi"))
    if detected.interface not in speaks:
        raise ProjectError(
            f"{where}: project.server: {project.server} runs {speaks[0].upper()} applications, and "
            f"{detected.application.value} is {detected.interface.upper()}: write another server, "
            f"or the project's {speaks[0].upper()} application as `application:`."
        )


def pack(
    project: Mapping[str, Any],
    base_dir: Path,
    cache_dir: Path,
    overlay_dir: Path,
    extra_requirements: Mapping[str, Sequence[str]] = MappingProxyType({}),
    *,
    run: Runner = run,
    show: Callable[[Sequence[str]], None] = lambda lines: None,
    where: str = WHERE,
) -> Packed:
    """Check, fetch, detect and build.

    Args:
        project: the user's dictionary.
        base_dir: what relative paths in it are relative to.
        cache_dir: mirrors, downloads, and archives in `archives/`.
        overlay_dir: the directory that holds the package `espalier_overlay`.
        extra_requirements: what the kit needs in every virtualenv, by server.
        run: starts git and pip.
        show: gets the detected lines before they are used.
        where: the file to name in sentences.

    Raises:
        ProjectError: from the first stage that fails.
    """
    checked = check(project, where)
    source = fetch(checked, base_dir, cache_dir, run, where)
    detected = detect(checked, source, where)
    _check_server(checked, detected, where)
    show(detected.notes)
    # Private like the rest of the cache: an archive may hold a project's secrets.
    with _cache(cache_dir):
        out = cache_dir / "archives"
        archive = build(checked, source, detected, overlay_dir, extra_requirements, out)
    return Packed(checked, source, detected, archive)


# ------------------------------------------------------------------------------------- classify


def classify(value: str, name: str = "") -> dict[str, dict[str, str]]:
    """What `make up PROJECT=value` means.

    Args:
        value: a directory, a git URL, or a package on the Python index (`name` or `name==1.2`).
        name: the project's name, when the user gave one.

    Returns:
        Variables for Ansible, {"project": {...}}.

    Raises:
        ProjectError: when the value is none of the three.
    """
    project = _classified(value.strip())
    if name:
        project["name"] = name
    check(project, "PROJECT")
    return {"project": project}


def _classified(value: str) -> dict[str, str]:
    path = Path(value).expanduser()
    if value and path.is_dir():
        bare = (path / "HEAD").is_file() and (path / "objects").is_dir()
        return {"git" if bare else "directory": str(path.resolve())}
    if "://" in value or value.startswith("git@") or value.endswith(".git"):
        return {"git": value}
    package = re.fullmatch(r"([A-Za-z0-9][\w.-]*(?:\[[\w.,-]+\])?)(?:==(\d\S*))?", value)
    if package and not value.endswith("."):
        pinned = {"version": package[2]} if package[2] else {}
        return {"package": package[1], **pinned}
    raise ProjectError(
        f'PROJECT="{value}" is neither a directory that exists, a git URL (https://… or '
        "git@host:…) nor a package on the Python index (name or name==1.2)."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Answer the command line; the exit status is 0, or 1 after a sentence on standard error."""
    parser = argparse.ArgumentParser(prog="project.py", description="What is this Django project?")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("classify", help="a directory, git URL or package, as JSON")
    command.add_argument("value")
    command.add_argument("--name", default="")
    options = parser.parse_args(arguments)
    try:
        print(json.dumps(classify(options.value, options.name)))
    except ProjectError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
