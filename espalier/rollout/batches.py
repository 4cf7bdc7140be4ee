"""Which machines are switched together, and in which order."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise

from espalier.inventory.site import SiteError

BATCHES = ("1", "10%", "40%", "100%")


def batches(names: Sequence[str], sizes: Sequence[str] = BATCHES) -> list[list[str]]:
    """Cut machines into batches that follow each other.

    Args:
        names: the machines, in order.
        sizes: how many machines have the release after each batch: a number, or a share such as
            `40%`, rounded up. The last batch takes all that are left, whatever the sizes say.

    Raises:
        SiteError: a size is neither.
    """
    ends = []
    for size in sizes:
        if not re.fullmatch(r"[1-9]\d*|(100|[1-9]\d?)%", size):
            raise SiteError(
                f"{size!r} is no size of a batch. Write machines (1) or a share (10%), separated "
                "by commas, such as 1,10%,40%,100%.",
                2,
            )
        is_share = size.endswith("%")
        share = math.ceil(len(names) * int(size.rstrip("%")) / 100)
        ends.append(min(share if is_share else int(size), len(names)))
    cuts = sorted({0, *ends, len(names)})
    return [list(names[begin:end]) for begin, end in pairwise(cuts)]
