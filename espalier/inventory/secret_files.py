"""The files beside an inventory that hold its secrets: `.secrets/<name>`, a value in each."""

from __future__ import annotations

from pathlib import Path

from espalier.inventory.site import SiteError

DIRECTORY = ".secrets"


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
