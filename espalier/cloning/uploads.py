"""The other half: uploads of the source, for the destination."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from espalier.inventory.remote import Remote

NOT_CLONED = (
    "Uploads are not cloned yet: pages of the clone name files that are not there. Those of a "
    "directory of yours come with `{}`."
)


def fetch(remote: Remote, wanted: Mapping[str, Any], into: Path) -> Path | None:
    """Put the uploads of a moment into a directory, as `espalier import --media` takes one.

    Args:
        remote: how the machines of the source are reached; it has their site.
        wanted: the moment, as `espalier.restoring.moment` gives it.
        into: where directories may be made; removed at the end.

    Returns:
        The directory; None where no uploads come, as yet.
    """
    return None
