"""The files beside an inventory that hold its secrets: `.secrets/<name>`, a value in each."""

from __future__ import annotations

from pathlib import Path

DIRECTORY = ".secrets"


def read_secret(directory: str | Path, name: str) -> str:
    """The value in a file; "" where there is none, or where it is empty.

    Ansible, which makes most of them, may add a salt behind the value.

    Args:
        directory: the inventory's `.secrets`.
        name: of the secret.
    """
    try:
        text = (Path(directory) / name).read_text()
    except FileNotFoundError:
        return ""
    return text.rstrip("\n").partition(" salt=")[0]
