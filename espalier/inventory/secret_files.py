"""The files beside an inventory that hold its secrets: `.secrets/<name>`, a value in each."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from espalier.inventory.site import SiteError

DIRECTORY = ".secrets"


def private_directory(directory: str | Path) -> str:
    """The inventory's `.secrets`, made where it is missing, and hidden from git by itself.

    Whatever the project's own `.gitignore` says. A directory that cannot be written to, such as
    that of a colleague, is left as it is: no secret can be made in it, either.
    """
    path = Path(directory)
    with suppress(OSError):
        path.mkdir(mode=0o700, exist_ok=True)
        with open(path / ".gitignore", "x") as file:
            file.write("*\n")
    return str(directory)


def first_use(directory: str | Path, name: str, make: Callable[[], str]) -> str:
    """The value in a file, which is made where it is missing.

    Several processes may ask at once: the first one's is everybody's.

    Args:
        directory: the inventory's `.secrets`.
        name: of the secret.
        make: makes a value.

    Raises:
        SiteError: it cannot be read.
    """
    file = Path(private_directory(directory)) / name
    if not file.exists():
        with tempfile.NamedTemporaryFile("w", dir=directory, prefix=f".{name}.") as new:
            new.write(make() + "\n")
            new.flush()
            with suppress(FileExistsError):
                os.link(new.name, file)
    return read_secret(directory, name)


def is_seen_by_git(path: Path) -> bool:
    """Whether git has a file, or any below a directory, or would add it with all the others."""
    path = path.resolve()
    place, what = (path, ".") if path.is_dir() else (path.parent, path.name)
    asked = ["git", "--literal-pathspecs", "-C", str(place), "ls-files"]
    asked += ["--cached", "--others", "--exclude-standard", "--", what]
    with suppress(OSError):  # no git is here
        return bool(subprocess.run(asked, capture_output=True).stdout)
    return False


def read_secret(directory: str | Path, name: str) -> str:
    """The value in a file; "" where there is none, or where it is empty.

    Ansible, which makes most of them, may add a salt behind the value.

    Args:
        directory: the inventory's `.secrets`.
        name: of the secret.

    Raises:
        SiteError: it cannot be read.
    """
    try:
        text = (Path(directory) / name).read_text()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise SiteError(
            f"{error.filename} cannot be read ({error.strerror}): it has a secret of the site. Was "
            "it made as another user, such as root? Have it belong to you (chown).",
            2,
        ) from None
    return text.rstrip("\n").partition(" salt=")[0]
