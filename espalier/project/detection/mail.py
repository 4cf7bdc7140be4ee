"""Whether the project sends mail, and nobody has said through which server."""

from __future__ import annotations

import re
from collections.abc import Iterator

from espalier.project.detection.settings import listed_apps, settings_files
from espalier.project.detection.tree import ProjectTree
from espalier.project.schema import Project
from espalier.project.words import note

SENDS = re.compile(
    r"^[^#\n]*?\b(send_mail|send_mass_mail|mail_admins|mail_managers|EmailMessage"
    r"|EmailMultiAlternatives|PasswordResetView|django\.contrib\.auth\.urls)\b",
    re.MULTILINE,
)
# Django's own settings, and what reads them from one URL or sends by a provider's API.
SERVER = re.compile(
    r"^[^#\n]*\b(EMAIL_HOST|EMAIL_URL|email_url|dj_email_url|MAILERS|anymail)\b", re.MULTILINE
)
ACCOUNTS = ("allauth", "allauth.account", "registration", "django_registration")


def mail_note(project: Project, tree: ProjectTree, settings: str) -> Iterator[str]:
    """A note where the project's code sends mail and no server is named."""
    if project.email or project.quiet or any("EMAIL" in name for name in project.environment):
        return
    files = settings_files(tree, settings)
    if any(SERVER.search(tree.read(path)) for path in files):
        return
    if where := _sends(tree, files):
        what = f"{where} sends mail, and no server is named: write `email:`, or it stays unsent"
        yield note("note", what)


def _sends(tree: ProjectTree, files: list[str]) -> str:
    """The first place where the code sends mail, or ""."""
    for path in files:
        for app in listed_apps(tree.read(path)):
            if app in ACCOUNTS:
                return f"{app}, among the apps of {path},"
    named = tree.named(*{path.rpartition("/")[2] for path in tree.paths if path.endswith(".py")})
    for path in named:
        if "/migrations/" in path or re.search(r"(^|/)(tests?|conftest)\b|/test_", path):
            continue
        text = tree.read(path)
        if match := SENDS.search(text):
            return f"{path} line {text.count(chr(10), 0, match.start(1)) + 1}"
    return ""
