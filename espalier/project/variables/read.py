"""A variable of the environment, as the settings read it."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Read:
    """One variable.

    Attributes:
        name: of it.
        kind: a word such as `text` or `list` (see `Variable`).
        has_default: whether the settings say what it is where it is missing.
        required: whether the settings certainly do not load without it.
        where: the file and the line that read it.
        default: what the settings say, as text; "" where that is not known.
        place: the setting that is made of it, as in `DATABASES.default.NAME`; "" for none.
    """

    name: str
    kind: str
    has_default: bool
    required: bool
    where: str
    default: str = ""
    place: str = ""
