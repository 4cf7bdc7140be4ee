"""The senders of a load: processes that share a rate, so that none of them is late.

One asyncio loop with aiohttp sends 300 requests/s with 5% of a core, and 5,000 with 35%, and is at
most 2 ms late (p99; measured on two cores against a server that only answers, TLS included). The
rate of a process is far below, as the machine has other work and may be slower.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any

from espalier.load.profile import Profile
from espalier.load.sender import Outcome, Sender
from espalier.load.site import LoadError, Site

MOST = 4
RATE = 300.0  # requests/s for one process
PRIORITY = -10  # where it may be had: it measures, also on the machine that the lab is on
FLUSH = 0.25  # seconds between two messages of outcomes
START = 30.0  # seconds that a process may take to begin


class Senders:
    """The processes. Use it with ``with``; none outlives it, nor the process that made it."""

    def __init__(self, site: Site, profile: Profile, seed: int = 1) -> None:
        """Visit this site; the same seed sends the same requests."""
        self.site, self.profile, self.seed = site, profile, seed
        self._all: list[tuple[multiprocessing.process.BaseProcess, Connection]] = []

    def __enter__(self) -> Senders:
        """Start the first one; LoadError where the site cannot be visited with this profile."""
        try:
            self.grow(1)
            self._all[0][1].send(("check",))
            if wrong := self._receive(self._all[0][1]):
                raise LoadError(wrong)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused: object) -> None:
        """End them."""
        for _, connection in self._all:
            connection.close()
        for process, _ in self._all:
            process.join(2)
            if process.is_alive():
                process.kill()
                process.join()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._all)

    @property
    def pids(self) -> list[int]:
        """Their process ids."""
        return [process.pid for process, _ in self._all if process.pid]

    def grow(self, number: int) -> None:
        """Have at least so many, and no more than four."""
        context = multiprocessing.get_context("spawn")
        while len(self._all) < min(number, MOST):
            ours, theirs = context.Pipe()
            seed = self.seed * 1000 + len(self._all)
            process = context.Process(
                target=serve, args=(theirs, self.site, self.profile, seed), daemon=True
            )
            process.start()
            theirs.close()
            self._all.append((process, ours))
            if not ours.poll(START):
                raise LoadError("The process that sends the requests did not start.")
            if wrong := self._receive(ours):
                raise LoadError(wrong)

    def send(
        self,
        rate: float,
        seconds: float,
        drain: float,
        watch: Callable[[list[Outcome], int, float], str],
    ) -> tuple[list[Outcome], float, str]:
        """Send a rate for so many seconds, then wait for the answers.

        Args:
            rate: requests per second.
            seconds: for how long.
            drain: how many seconds to wait for the last answers.
            watch: called some times a second with the outcomes so far, the requests sent in the
                last five seconds, and the seconds since the beginning; a sentence ends the sending
                and the waiting.

        Returns:
            The outcomes, when it began (Unix clock), and what `watch` said.
        """
        self.grow(-int(-rate // RATE))
        began = time.monotonic() + 0.2
        unix = time.time() + 0.2
        for _, connection in self._all:
            connection.send(("run", rate / len(self._all), seconds, began, drain))
        outcomes: list[Outcome] = []
        history: list[tuple[float, int]] = []
        cut, busy = "", [connection for _, connection in self._all]
        while busy:
            ready = wait(busy, FLUSH)
            for connection in [one for one in busy if one in ready]:
                message = self._receive(connection)
                if message is None:
                    busy.remove(connection)
                    continue
                rows, sent = message
                outcomes += map(Outcome._make, rows)
                history.append((time.monotonic(), sent))
            now = time.monotonic()
            recent = sum(sent for moment, sent in history if moment >= now - 5)
            if busy and not cut and (cut := watch(outcomes, recent, now - began)):
                for connection in busy:
                    connection.send(("cut",))
        return outcomes, unix, cut

    def probe(self) -> float:
        """Ask once for the page that is asked for most; gives what it took, in seconds."""
        connection = self._all[0][1]
        connection.send(("probe",))
        return float(self._receive(connection))

    def _receive(self, connection: Connection) -> Any:
        try:
            return connection.recv()
        except EOFError:
            raise LoadError(
                "A process that sends the requests ended: is there memory enough here?"
            ) from None


def serve(connection: Connection, site: Site, profile: Profile, seed: int) -> None:
    """Be one of the processes: do what the other end says, until it closes the connection."""
    # Ctrl-C goes to all processes of a terminal; the first one says what is to end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(PermissionError):  # only root may
        os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 16384)), hard))
    with contextlib.suppress(EOFError, OSError):  # nobody is there to tell
        asyncio.run(_serve(connection, site, profile, seed))


async def _serve(connection: Connection, site: Site, profile: Profile, seed: int) -> None:
    messages: asyncio.Queue[tuple[Any, ...] | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def read() -> None:
        try:
            messages.put_nowait(connection.recv())
        except (EOFError, OSError):
            loop.remove_reader(connection.fileno())
            messages.put_nowait(None)

    try:
        async with Sender(site, profile, seed) as sender:
            connection.send("")
            loop.add_reader(connection.fileno(), read)
            while message := await messages.get():
                if message[0] == "check":
                    connection.send(await sender.check())
                elif message[0] == "probe":
                    connection.send(await sender.probe())
                elif message[0] == "run" and not await _run(sender, connection, messages, message):
                    break
    except LoadError as error:
        connection.send(str(error))


async def _run(
    sender: Sender,
    connection: Connection,
    messages: asyncio.Queue[tuple[Any, ...] | None],
    message: tuple[Any, ...],
) -> bool:
    """Send a part of a rate, and tell of it; gives whether there is somebody to tell."""
    _, rate, seconds, began, drain = message
    rows: list[Outcome] = []
    sent = 0

    def count() -> None:
        nonlocal sent
        sent += 1

    def flush() -> None:
        nonlocal sent
        if rows or sent:
            connection.send(([tuple(row) for row in rows], sent))
            rows.clear()
            sent = 0

    async def tell() -> None:
        while True:
            await asyncio.sleep(FLUSH)
            flush()

    async def work() -> None:
        await sender.run(rate, seconds, began, rows.append, count)
        await sender.drain(time.monotonic() + drain)

    telling = asyncio.create_task(tell())
    working = asyncio.create_task(work())
    hearing = asyncio.create_task(messages.get())
    await asyncio.wait([working, hearing], return_when=asyncio.FIRST_COMPLETED)
    there = not hearing.done() or hearing.result() is not None
    hearing.cancel()
    if working.done():
        await working  # raises what went wrong
    else:
        working.cancel()
        await asyncio.wait([working])
        await sender.drain(0)
    telling.cancel()
    if there:
        flush()
        connection.send(None)
    return there
