"""Lets a step of a release begin only while the lock over the site is held.

A connection that holds the lock may break while all others go on. Before every stage the lock is
taken again where it was lost. That is refused where somebody else holds it, or has held it since:
then another release may have begun, and nothing is done that could undo it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from espalier.rollout.display import Display
from espalier.rollout.lock import HeldSince, LockError, SiteLock, Start, hang_up, retake
from espalier.rollout.order import WAY_BACK, Answer, Task

LOCKED = 3  # status of what is refused in the name of a lock
UNLOCKED = ("purge",)  # only empties caches, whose pages come back
ATTEMPTS = 5  # a second apart: another release that is refused elsewhere is gone by then


@dataclass
class Guard:
    """Does tasks while the lock is held.

    Attributes:
        lock: the lock.
        start: starts `release hold` on a machine.
        display: is told when the lock was taken again.
        lost: machines where the lock is lost, each with a sentence that says why.
        lost_for_good: those of them where another release has held it since.
        doubted: machines that refused a step in the name of a lock.
    """

    lock: SiteLock
    start: Start
    display: Display
    lost: dict[str, str] = field(default_factory=dict)
    lost_for_good: set[str] = field(default_factory=set)
    doubted: set[str] = field(default_factory=set)

    def perform_all(
        self,
        tasks: Sequence[Task],
        work: Callable[[Task], Answer],
        perform_all: Callable[[Sequence[Task], Callable[[Task], Answer]], Sequence[Answer]],
    ) -> Sequence[Answer]:
        """Do the tasks of one stage, with the lock taken again first where it was lost."""
        self.renew()
        return perform_all(tasks, work)

    def perform(self, task: Task, perform: Callable[[Task], Answer]) -> Answer:
        """Do one task, unless the lock is lost.

        A step forward needs the whole lock. A step of the way back needs that of its machine: who
        releases takes the lock on every machine, so nobody else does while one of them is held.
        """
        machine = task.machine
        if task.step in WAY_BACK:
            refused = self.lost.get(machine, "")
        elif task.step in UNLOCKED:
            refused = ""
        else:
            refused = next(iter(self.lost.values()), "")
        if refused:
            return Answer(error=refused, status=LOCKED)
        answer = perform(task)
        if answer.failed and answer.status == LOCKED and machine in self.lock.tokens:
            # Where site.yml lost one of those that it lends, it may have lost them all.
            self.doubted |= {machine, *self.lock.lent}
        return answer

    def renew(self, attempts: int | None = None) -> None:
        """Take the lock again where it was lost; `lost` tells where that is not possible."""
        holders = self.lock.holders
        ended = {name for name, holder in holders.items() if holder.poll() is not None}
        missing = sorted((ended | self.doubted | set(self.lost)) - self.lost_for_good)
        for attempt in range(attempts or ATTEMPTS):
            if attempt:
                time.sleep(1)
            missing = self._retake_all(missing)
            if not missing:
                return

    def _retake_all(self, machines: Sequence[str]) -> list[str]:
        """Take the lock again on several machines; gives those where trying once more may help."""
        if not machines:
            return []
        with ThreadPoolExecutor(len(machines)) as pool:
            again = list(pool.map(self._retake, machines))
        return [name for name, is_held in zip(machines, again, strict=True) if is_held]

    def _retake(self, machine: str) -> bool:
        """Take the lock again on a machine; gives whether somebody else holds it now."""
        began = time.monotonic()
        try:
            found = retake(machine, self.lock.tokens[machine], self.start)
        except LockError as error:
            self.lost[machine] = (
                f"the lock over the site was lost, as the connection to {machine} was "
                f"interrupted: {error}"
            )
            if isinstance(error, HeldSince):
                self.lost_for_good.add(machine)
            return error.status == LOCKED
        self.lost.pop(machine, None)
        self.doubted.discard(machine)
        if found:
            before = self.lock.holders.get(machine)
            self.lock.holders[machine], self.lock.tokens[machine] = found
            if before:
                before.kill()
                hang_up(before)
            self.display.end("lock", machine, time.monotonic() - began, "lost, and taken again")
        return False
