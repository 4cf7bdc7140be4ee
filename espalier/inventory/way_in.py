"""Prove by a new connection that people still get into a machine that was changed.

Of a change that could lock them out, the machine keeps a timer that takes it back. It is stopped
through the new connection; where none can be had, nobody stops it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from espalier.inventory.unreachable import reason

# Beyond the machine's own timer: a try that began before it takes up to 10 seconds.
MARGIN = 35


@dataclass(frozen=True)
class Proof:
    """What became of a change.

    Attributes:
        state: `confirmed`, `taken_back`, `superseded`, or "" where the machine was not reached.
        problem: what kept the first try from it, "" where nothing did.
    """

    state: str
    problem: str = ""


def prove(
    attempt: Callable[[], Proof],
    seconds: int,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Proof:
    """Try until the machine says what became of a change, or should have taken it back long ago.

    Args:
        attempt: connects anew and confirms; ConnectionError where that cannot be had.
        seconds: how long the machine waits.
        now: gives the time in seconds.
        sleep: waits for seconds.
    """
    problem, end = "", now() + seconds + MARGIN
    while True:
        try:
            found = attempt()
        except ConnectionError as error:
            found = Proof("", reason(str(error)))
        problem = problem or found.problem
        if found.state or now() > end:
            return Proof(found.state, problem)
        sleep(2)


def sentence(machine: str, what: str, remedy: str, proof: Proof, seconds: int, place: str) -> str:
    """What to tell people of a change that was not confirmed; "" of one that was.

    Args:
        machine: its name.
        what: was changed, in words.
        remedy: what people may have to correct, "" for nothing in particular.
        proof: what became of the change.
        seconds: how long the machine waits.
        place: the directory on the machine with what was there before.
    """
    if proof.state == "confirmed":
        return ""
    if proof.state == "superseded":
        return (
            f"{machine}: another run is changing {what} at the same time, so this one's change was "
            "taken back. Run it again when the other has ended."
        )
    tried = (
        f"{machine}: {what} was changed, and then no new SSH connection could be had"
        f"{f' ({proof.problem})' if proof.problem else ' in time'}."
    )
    correct = f" Correct {remedy}, and run it again." if remedy else " Run it again."
    if proof.state == "taken_back":
        return f"{tried} So the machine has taken that change back, and can be reached.{correct}"
    return (
        f"{tried} The machine takes that change back after {seconds} seconds, and yet "
        f"it cannot be reached. In the provider's console, `sh {place}/rollback now` does it, too; "
        f"if that file is not there, it was done, and something else is wrong.{correct}"
    )
