"""The lock over the site: one release, rollback or run of `site.yml` at a time.

On every machine that runs Django `release hold` keeps a file locked for as long as its standard
input brings heartbeats. Whoever holds the lock may be killed or lose the network: the lock is free
half a minute later at the most, and nobody has to remove anything.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from espalier.inventory.remote import explain, reach, root_command
from espalier.inventory.site import Site, SiteError
from espalier.rollout.commands import release_command

HEARTBEAT = 5  # seconds between two signs of life; `release hold` waits for 30
NO_COMMAND = (2, 127)  # the release command is not there, or knows no such project: nothing to lock
UNREACHABLE = 255  # ssh's own
WITHDRAWN = "withdrawn\ndone"  # a machine of the version before knows `done` only


class Start(Protocol):
    """Starts `release hold` on a machine, with pipes for its input and output."""

    def __call__(self, machine: str, token: str = "") -> subprocess.Popen[str]:
        """`token`: of a lock that was lost, to take the same one again."""
        ...


class LockError(SiteError):
    """A machine does not give the lock.

    `machine` is its name; `token` that of whoever holds the lock, where that is known.
    """

    def __init__(
        self, machine: str, sentence: str, status: int = 1, detail: str = "", token: str = ""
    ) -> None:
        """Take the machine, what `SiteError` takes, and the holder's token."""
        super().__init__(sentence, status, detail)
        self.machine = machine
        self.token = token


class HeldSince(LockError):
    """The lock was lost on a machine, and somebody else has held it since: it is lost for good."""


@dataclass
class SiteLock:
    """The lock, held on some machines.

    Attributes:
        holders: the connections that hold it, by machine.
        tokens: what commands that belong to its holder bring along, by machine.
        interrupted: what the last holder wrote about itself, if it did not end by itself.
        unreachable: machines that do not answer, where nothing can be released either.
        lent: machines whose lock somebody else holds for what is done here: a run of `site.yml`,
            which goes on to hold it afterwards.
    """

    holders: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    interrupted: Mapping[str, Any] | None = None
    unreachable: list[str] = field(default_factory=list)
    lent: set[str] = field(default_factory=set)

    def lend(self, tokens: Mapping[str, str]) -> None:
        """Add machines whose lock somebody else holds for what is done here."""
        self.tokens.update(tokens)
        self.lent.update(tokens)

    def beat(self, doing: str) -> None:
        """Send a sign of life, with what is being done now.

        A connection that has ended is not spoken of here: see `espalier.rollout.guard`.
        """
        for holder in list(self.holders.values()):
            _tell(holder, doing)

    def release(self) -> None:
        """Unlock, as everything is done."""
        for machine, holder in self.holders.items():
            if machine not in self.lent:
                _tell(holder, "done")
        self._hang_up()

    def withdraw(self) -> None:
        """Unlock without a trace, as another machine does not give the lock."""
        for holder in self.holders.values():
            _tell(holder, WITHDRAWN)
        self._hang_up()

    def cut_off(self) -> None:
        """Unlock in the middle, at once: the machines keep that something was cut off."""
        for holder in self.holders.values():
            holder.kill()
        self._hang_up()

    def _hang_up(self) -> None:
        for holder in self.holders.values():
            hang_up(holder)
        self.holders.clear()

    @property
    def note(self) -> str:
        """What a person is told of a holder that did not end by itself."""
        if not self.interrupted:
            return ""
        return (
            "the {what} that {by} began at {since:.19} was not finished; going on from what the "
            "machines say".format_map(self.interrupted)
        )


@contextmanager
def starting(site: Site, what: str, by: str) -> Iterator[Start]:
    """Give what starts `release hold` on a machine, over a connection of its own.

    Args:
        site: where, and how its machines are reached.
        what: what is going to be done, for those who are kept waiting.
        by: who does it.
    """
    with reach(site) as remote:

        def start(machine: str, token: str = "") -> subprocess.Popen[str]:
            words = release_command(site.name, ["hold", what], by=by, token=token)
            line, password = root_command(site.variables[machine], words)
            holder = subprocess.Popen(
                [*remote.command(machine), line],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env=remote.environment,
            )
            assert holder.stdin
            with suppress(BrokenPipeError):  # ssh has ended, and its error says why
                holder.stdin.write(password)
                holder.stdin.flush()
            return holder

        yield start


def take(machines: Sequence[str], start: Start, *, skip_unreachable: bool = False) -> SiteLock:
    """Take the lock on every machine, or on none.

    The first machine decides between two that come at once, as everybody begins there; the others
    are asked at the same time.

    Args:
        machines: those that run Django, in order.
        start: starts `release hold` on a machine.
        skip_unreachable: whether a machine that does not answer is left out, rather than refused.

    Raises:
        LockError: with status 3 if somebody else holds it; 1 if a machine does not answer.
    """
    lock = SiteLock()
    try:
        for group in (machines[:1], machines[1:]):
            _take_all(lock, group, start, skip_unreachable)
    except BaseException:
        lock.withdraw()
        raise
    return lock


def retake(machine: str, token: str, start: Start) -> tuple[subprocess.Popen[str], str] | None:
    """Take the lock on one machine again, where it may have been lost.

    Args:
        machine: its name.
        token: of the lock.
        start: starts `release hold` on a machine.

    Returns:
        The connection that holds it, and its token now; None where it was not lost at all.

    Raises:
        LockError: with status 3 if somebody else holds it; 1 if the machine does not answer.
        HeldSince: somebody else has held it since, and may have released.
    """
    holder, answer = _hold(start, machine, token)
    if "token" not in answer:
        _, error = holder.communicate()
        refused = _refusal(machine, answer, error)
        if refused.token == token:
            return None
        raise refused
    if (answer["cut_off"] or {}).get("token") != token:
        _tell(holder, WITHDRAWN)
        hang_up(holder)
        raise HeldSince(machine, "another release has held it since.")
    return holder, answer["token"]


def hang_up(holder: subprocess.Popen[str]) -> None:
    """End a connection, in a few seconds at the most."""
    try:
        holder.communicate(timeout=HEARTBEAT)
    except subprocess.TimeoutExpired:
        holder.kill()
        holder.communicate()


def _tell(holder: subprocess.Popen[str], line: str) -> None:
    assert holder.stdin
    with suppress(OSError, ValueError):
        holder.stdin.write(f"{line}\n")
        holder.stdin.flush()


def _take_all(lock: SiteLock, machines: Sequence[str], start: Start, skip: bool) -> None:
    if not machines:
        return
    with ThreadPoolExecutor(len(machines)) as pool:
        started = [(name, pool.submit(_hold, start, name)) for name in machines]
    errors = []
    for name, job in started:
        try:
            holder, answer = job.result()
            _note_holder(lock, name, holder, answer, skip)
        except LockError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _hold(
    start: Start, machine: str, token: str = ""
) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """Start to hold the lock on a machine; gives the connection and its answer, or {}."""
    holder = start(machine, token)
    assert holder.stdout
    answer: dict[str, Any] = {}
    with suppress(ValueError):
        answer = json.loads(holder.stdout.readline())
    return holder, answer


def _note_holder(
    lock: SiteLock,
    machine: str,
    holder: subprocess.Popen[str],
    answer: Mapping[str, Any],
    skip: bool,
) -> None:
    """Keep what a machine answered.

    Raises:
        LockError: it does not give the lock.
    """
    if "token" in answer:
        lock.holders[machine] = holder
        lock.tokens[machine] = answer["token"]
        lock.interrupted = lock.interrupted or answer["cut_off"]
        return
    _, error = holder.communicate()
    if answer.get("step") != "lock" and holder.returncode in NO_COMMAND:
        return
    if holder.returncode == UNREACHABLE and skip:
        lock.unreachable.append(machine)
        return
    raise _refusal(machine, answer, error)


def _refusal(machine: str, answer: Mapping[str, Any], error: str) -> LockError:
    """Why a machine does not give the lock, from its answer or from the words of ssh and sudo."""
    if answer.get("step") == "lock":
        token = (answer.get("lock") or {}).get("token", "")
        return LockError(machine, answer["error"], 3, token=token)
    detail = error if len(error.strip().splitlines()) > 1 else ""
    sentence = f"the lock over the site cannot be taken: {explain(error)}"
    return LockError(machine, sentence, 1, detail)


class Heartbeats:
    """Sends signs of life from a thread of its own until it is told to stop."""

    def __init__(self, lock: SiteLock, doing: Callable[[], str]) -> None:
        """Begin at once; `doing` gives what is being done now."""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(lock, doing), daemon=True)
        self._thread.start()

    def _run(self, lock: SiteLock, doing: Callable[[], str]) -> None:
        while not self._stopped.wait(HEARTBEAT):
            lock.beat(doing())

    def stop(self) -> None:
        """Send no more, and wait for the one that is on its way."""
        self._stopped.set()
        self._thread.join()
