"""A release goes on, and goes back, only while the lock over the site is its own."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from espalier.rollout import guard
from espalier.rollout.display import Display
from espalier.rollout.guard import Guard
from espalier.rollout.lock import SiteLock, take
from espalier.rollout.order import Answer, Order, Task
from espalier.rollout.outcome import Outcome
from espalier.rollout.runner import run_order
from espalier_machine.release.errors import Busy
from espalier_machine.release.site_lock import check_site_lock

ORDER = Order(("app1", "app2"), (("app1",), ("app2",)), identity="new", new_id="id-new")
STATUS = {
    "live": {"id": "id-old", "identity": "old", "healthy": True},
    "stale": False,
    "releases": [{"id": "id-old", "identity": "old", "good": True}],
}
DATA: dict[str, Any] = {"status": STATUS}


class Site:
    """Two machines with a lock each; `gone` are those that do not answer a new connection."""

    def __init__(self, hold: Callable[[str], Any], folder: Path) -> None:
        """Nobody holds them."""
        self.hold = hold
        self.folder = folder
        self.gone: set[str] = set()
        self.asked: list[str] = []

    def start(self, by: str) -> Any:
        """What starts to hold the lock for somebody."""
        hold = self.hold(by)

        def start(machine: str, token: str = "") -> subprocess.Popen[str]:
            if machine not in self.gone:
                return hold(machine, token)
            argv = ["sh", "-c", f"echo 'ssh: connect to {machine}: timed out' >&2; exit 255"]
            pipe = subprocess.PIPE
            return subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

        return start

    def machine(self, name: str) -> Any:
        """What the release command there knows of its lock."""
        return SimpleNamespace(site_lock_file=self.folder / f"{name}.lock")

    def run(
        self,
        before: Callable[[Task, SiteLock], Answer | None],
        lock: SiteLock | None = None,
    ) -> Outcome:
        """Release; `before` is called as each task begins, and may answer it itself."""
        lock = lock or take(["app1", "app2"], self.start("ann"))

        def perform(task: Task) -> Answer:
            if task.step != "status":
                try:  # as `release` does on the machine
                    check_site_lock(self.machine(task.machine), lock.tokens[task.machine])
                except Busy as error:
                    return Answer(error=f"lock failed: {error.sentence}", status=3)
            if refused := before(task, lock):
                return refused
            self.asked.append(f"{task.step} {task.machine}")
            return Answer(DATA.get(task.step, {"changed": True}))

        def perform_all(tasks: Sequence[Task], work: Callable[[Task], Answer]) -> list[Answer]:
            return [work(task) for task in tasks]

        guarded = Guard(lock, self.start("ann"), Display(None))
        outcome = run_order(
            ORDER,
            lambda task: guarded.perform(task, perform),
            lambda tasks, work: guarded.perform_all(tasks, work, perform_all),
            Display(None),
        )
        lock.release()
        return outcome


@pytest.fixture
def site(hold: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(guard, "ATTEMPTS", 2)
    return Site(hold, tmp_path)


def lose(lock: SiteLock, machine: str) -> None:
    """End a connection that holds the lock, from the other side."""
    lock.holders[machine].kill()
    lock.holders[machine].wait()


def at(step: str, machine: str, do: Callable[[SiteLock], Any]) -> Callable[..., None]:
    """Do something when a task is asked for."""

    def before(task: Task, lock: SiteLock) -> None:
        if (task.step, task.machine) == (step, machine):
            do(lock)

    return before


def test_lost_lock_is_taken_again_and_the_release_goes_on(site: Site) -> None:
    outcome = site.run(at("switch", "app1", lambda lock: lose(lock, "app2")))
    assert (outcome.action, outcome.exit_status) == ("released", 0)
    assert take(["app1", "app2"], site.start("bert")).note == "", "it ended well everywhere"


def test_nothing_is_done_while_another_release_holds_the_lock(site: Site) -> None:
    other: list[SiteLock] = []

    def overtake(lock: SiteLock) -> None:
        lose(lock, "app1")
        lose(lock, "app2")
        other.append(take(["app1", "app2"], site.start("bert")))

    outcome = site.run(at("switch", "app1", overtake))
    other[0].release()
    assert site.asked[-1] == "switch app1", "no way back over another release"
    assert outcome.exit_status == 3
    assert "bert, since" in outcome.sentence()
    assert outcome.sentence().endswith("Live now: id-new on app1; id-old on app2.")


def test_nothing_is_taken_back_when_another_release_has_held_the_lock_meanwhile(
    site: Site,
) -> None:
    def overtake(lock: SiteLock) -> None:
        lose(lock, "app1")
        lose(lock, "app2")
        take(["app1", "app2"], site.start("bert")).release()

    outcome = site.run(at("switch", "app1", overtake))
    assert site.asked[-1] == "switch app1"
    assert "another release has held it since" in outcome.sentence()


def test_lock_that_somebody_stopped_on_a_machine_is_not_taken_again(site: Site) -> None:
    def stop(lock: SiteLock) -> None:
        lock.holders["app2"].terminate()
        lock.holders["app2"].wait()

    outcome = site.run(at("switch", "app1", stop))
    assert site.asked[-2:] == ["rollback app1", "remove app1"]
    assert outcome.exit_status == 3


def test_another_release_that_was_refused_meanwhile_changes_nothing(site: Site) -> None:
    def attempt(lock: SiteLock) -> None:
        lose(lock, "app1")
        with pytest.raises(Exception, match="another release is running"):
            take(["app1", "app2"], site.start("bert"))

    outcome = site.run(at("switch", "app1", attempt))
    assert (outcome.action, outcome.exit_status) == ("released", 0)


def test_release_goes_back_where_a_machine_with_its_lock_is_gone(site: Site) -> None:
    def vanish(lock: SiteLock) -> None:
        lose(lock, "app2")
        site.gone.add("app2")

    outcome = site.run(at("switch", "app1", vanish))
    assert site.asked[-2:] == ["rollback app1", "remove app1"]
    assert outcome.sentence() == (
        "app2: the lock over the site was lost, as the connection to app2 was interrupted: the "
        "lock over the site cannot be taken: ssh: connect to app2: timed out\n"
        "The machines that had switched went back: visitors are served as before."
    )


def test_lock_that_only_the_machine_knows_to_be_lost_is_taken_again_to_go_back(site: Site) -> None:
    def half_open(lock: SiteLock) -> None:
        lose(lock, "app2")
        pipe = subprocess.PIPE  # and here its connection seems to live
        lock.holders["app2"] = subprocess.Popen(["cat"], stdin=pipe, stdout=pipe, text=True)

    outcome = site.run(at("switch", "app1", half_open))
    assert site.asked[-5:] == [
        "switch app1",
        "rollback app1",
        "rollback app2",
        "remove app1",
        "remove app2",
    ]
    assert outcome.exit_status == 3
    assert outcome.sentence() == (
        "app2: lock failed: the lock over the site was lost, as the connection to this machine "
        "was interrupted; nothing was done here.\n"
        "The machines that had switched went back: visitors are served as before."
    )


def test_step_that_is_refused_while_the_lock_is_held_does_not_prevent_the_way_back(
    site: Site,
) -> None:
    # As when somebody types `release --only-here restart` on that machine.
    held = take(["app1", "app2"], site.start("ann (site.yml)"))
    lent = SiteLock()
    lent.lend(held.tokens)

    def refuse(task: Task, lock: SiteLock) -> Answer | None:
        busy = (task.step, task.machine) == ("switch", "app2")
        return Answer(error="another release is running", status=3) if busy else None

    site.run(refuse, lent)
    assert "rollback app1" in site.asked
    assert held.holders["app1"].poll() is None
    held.release()


def test_lock_that_site_yml_lost_is_given_back_to_it_after_the_way_back(site: Site) -> None:
    held = take(["app1", "app2"], site.start("ann (site.yml)"))
    token = held.tokens["app2"]
    lent = SiteLock()
    lent.lend(held.tokens)

    def lose_all(lock: SiteLock) -> None:
        lose(held, "app1")
        lose(held, "app2")

    outcome = site.run(at("switch", "app1", lose_all), lent)
    assert outcome.sentence().endswith(
        "The machines that had switched went back: visitors are served as before."
    )
    again = guard.retake("app2", token, site.start("ann (site.yml)"))
    assert again is not None
    assert again[1] == token
    guard.hang_up(again[0])
    held.release()
