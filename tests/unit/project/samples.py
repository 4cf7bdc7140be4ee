"""An ordinary Django project, and ways to put it into a directory or a repository."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from espalier.project.detection.detect import detect
from espalier.project.errors import ProjectError
from espalier.project.schema import check
from espalier.project.source.fetch import fetch

MANAGE = """\
#!/usr/bin/env python
import os, sys

def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)

main()
"""
SETTINGS = (
    'INSTALLED_APPS = ["django.contrib.admin"]\nWSGI_APPLICATION = "mysite.wsgi.application"\n'
)
WSGI = "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"
PLAIN = {
    "manage.py": MANAGE,
    "mysite/__init__.py": "",
    "mysite/settings.py": SETTINGS,
    "mysite/wsgi.py": WSGI,
    "requirements.txt": "Django==5.2.19\n",
}
# What project.yml says at least.
LEAST = {"directory": "x"}
# No key: the shape alone is checked.
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def git(*arguments: str, cwd: Path) -> str:
    environ = os.environ | {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }
    return subprocess.run(
        ["git", *arguments], cwd=cwd, env=environ, check=True, capture_output=True, text=True
    ).stdout.strip()


def repository(root: Path, files: dict[str, str]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    git("init", "-q", "-b", "main", ".", cwd=root)
    write(root, files)
    git("add", "-A", cwd=root)
    git("commit", "-qm", "one", cwd=root)
    return root


def fetched(root: Path, **values: object):
    checked = check({"directory": str(root), "name": "orchard", **values})
    return checked, fetch(checked, root, root.parent / "cache")


def detected(root: Path, files: dict[str, str | None], **values: object):
    """Detection on PLAIN changed by `files`; None takes a file away."""
    merged = {name: text for name, text in (PLAIN | files).items() if text is not None}
    return detect(*fetched(write(root / "site", merged), **values))


def undetected(root: Path, files: dict[str, str | None], **values: object) -> str:
    with pytest.raises(ProjectError) as caught:
        detected(root, files, **values)
    return str(caught.value)
