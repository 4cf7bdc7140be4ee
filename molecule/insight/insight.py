#!/usr/bin/env python3
"""Put a limit on a site, find it by load and advice, type the edit, and prove the gain.

    insight.py smoke             a group of steps: smoke or loops; the lab must be up, and empty
    insight.py reads nothing     some steps alone, where such a group has left the machines

What each command wrote is in .lab/insight/commands.log.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import chain

from lab import LAB, prepare
from limited import application, nothing, one_thread, reads

GROUPS: dict[str, tuple[Callable[[], None], ...]] = {
    # What CI runs on every commit.
    "smoke": (nothing, application),
    "loops": (nothing, one_thread, application, reads),
}


def main() -> int:
    """Take a group of steps, or those that are named; gives the exit status."""
    named = sys.argv[1:]
    if not named:
        print(f"name a group of steps: {', '.join(GROUPS)}")
        return 2
    if len(named) != 1 or named[0] not in GROUPS:
        return LAB.take(tuple(dict.fromkeys(chain(*GROUPS.values()))), prepare)
    del sys.argv[1:]
    return LAB.take(GROUPS[named[0]], prepare)


if __name__ == "__main__":
    sys.exit(main())
