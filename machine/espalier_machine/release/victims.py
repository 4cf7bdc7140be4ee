"""Which of two releases the kernel ends first where memory ends: the new one, until it is live."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from espalier_machine.release.footprint import parents, tree
from espalier_machine.release.memory import ROOT
from espalier_machine.release.units import main_pid, memory_score

STARTS = 500  # of -1000 to 1000; man 5 proc, oom_score_adj


def set_score(pid: int, score: int, root: Path = ROOT) -> None:
    """Give a process and those below it a score; without the right to, the lowest that goes.

    From the top, as what is started meanwhile takes over that of its parent.
    """
    for one in tree(pid, parents(root)):
        file = root / f"proc/{one}/oom_score_adj"
        for value in (score, max(0, score)):
            with suppress(OSError):
                file.write_text(str(value))
                break


def offer(unit: str) -> None:
    """Have the kernel end this unit's processes before those of the live release."""
    if pid := main_pid(unit):
        set_score(pid, STARTS)


def spare(unit: str) -> None:
    """Give this unit's processes the score of their unit, now that it is live."""
    if pid := main_pid(unit):
        set_score(pid, memory_score(unit))
