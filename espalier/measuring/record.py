"""Record a whole site: the machines' own program on each of them, at once, over SSH.

The program ends by itself after its seconds, and when its input ends: so it is ended early, and so
it ends where this computer goes away.
"""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from types import TracebackType
from typing import Any, Literal

from espalier.insight.recording import Load, Machine, Recording, SiteFacts
from espalier.inventory.remote import Remote, explain
from espalier.inventory.site import Site, SiteError
from espalier.measuring.store import new_id
from espalier.measuring.stream import Stream
from espalier.measuring.units import units

PROGRAM = "espalier-insight"
START_TIMEOUT = 60  # seconds for connecting, and for the program's first line
END_TIMEOUT = 120  # seconds in which a machine reads its logs and statements
SHORTEST = 30  # seconds that are worth keeping, where a person ends it
LOST = 30  # seconds without a line, after which a machine is given up
NO_PROGRAM = 127  # the shell's status


class Recorder:
    """Records the machines of a site until `finish`, or for its seconds.

    Attributes:
        began: seconds of the Unix clock; from then on every machine records.
    """

    def __init__(self, remote: Remote, site: Site, seconds: float, *, insight: bool = False):
        """Take how to reach the site, and how long at most is recorded.

        Args:
            remote: how the machines are reached.
            site: whose machines they are.
            seconds: after which the machines end by themselves.
            insight: PostgreSQL can be asked for indexes (`insight: true` in hosts.yml).
        """
        self.remote, self.site, self.seconds = remote, site, seconds
        self.options = machine_options(site, insight=insight)
        self.streams = {name: Stream(name) for name in self.options}
        self.jobs: dict[str, subprocess.Popen[str]] = {}
        self.threads: dict[str, threading.Thread] = {}
        self.began = 0.0
        self._errors: dict[str, list[str]] = {name: [] for name in self.options}
        self._last: dict[str, float] = {}

    def __enter__(self) -> Recorder:
        """Start on every machine, and wait until each of them records.

        Raises:
            SiteError: a machine does not answer, or has no such program.
        """
        try:
            self._start()
            self._wait_for_first_lines()
        except BaseException:
            self._kill()
            raise
        self.began = time.time()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End what still runs."""
        self._kill()

    def is_running(self) -> bool:
        """Whether a machine still records."""
        return any(thread.is_alive() for thread in self.threads.values())

    def wait(self, stop: threading.Event) -> None:
        """Wait until the machines have recorded for their seconds, or until `stop` is set."""
        limit = self.began + self.seconds + END_TIMEOUT
        while self.is_running() and not stop.is_set() and time.time() < limit:
            self.give_up_silent()
            stop.wait(0.1)

    def finish(self) -> dict[str, Machine]:
        """End the recording, wait for what the machines still have to tell, and give it.

        Raises:
            SiteError: a machine told nothing, or something that this version does not understand.
        """
        for job in self.jobs.values():
            if job.stdin:
                with suppress(OSError):
                    job.stdin.close()
        limit = time.time() + END_TIMEOUT
        for thread in self.threads.values():
            thread.join(max(limit - time.time(), 0))
        self._kill()
        found = {}
        for name, stream in self.streams.items():
            try:
                found[name] = stream.result()
            except ValueError as error:
                raise SiteError(
                    f"What {name} recorded is of another form ({error}). {RUN}"
                ) from None
        return found

    def _start(self) -> None:
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with _ignoring_interrupt():
            for name, options in self.options.items():
                words = [PROGRAM, "record", "--seconds", str(round(self.seconds))]
                words += ["--options", json.dumps(options)]
                self.jobs[name] = self.remote.start(name, words, keep_input=True, **pipes)
        for name, job in self.jobs.items():
            self.threads[name] = threading.Thread(target=self._read, args=(name, job), daemon=True)
            self.threads[name].start()

    def _read(self, name: str, job: subprocess.Popen[str]) -> None:
        errors = threading.Thread(target=self._read_errors, args=(name, job), daemon=True)
        errors.start()
        for line in job.stdout or ():
            self._last[name] = time.time()
            self.streams[name].take(line, self._last[name])
        job.wait()
        errors.join(1)

    def _read_errors(self, name: str, job: subprocess.Popen[str]) -> None:
        for line in job.stderr or ():
            self._errors[name].append(line)

    def _wait_for_first_lines(self) -> None:
        limit = time.time() + START_TIMEOUT
        for name, stream in self.streams.items():
            while not stream.machine and self.threads[name].is_alive() and time.time() < limit:
                time.sleep(0.02)
            if not stream.machine:
                raise SiteError(self._why_not(name))

    def _why_not(self, name: str) -> str:
        """Why a machine does not record."""
        job = self.jobs[name]
        self.threads[name].join(0.1)
        errors = "".join(self._errors[name])
        if job.returncode == NO_PROGRAM or f"{PROGRAM}: not found" in errors:
            return f"{name} has no program that records yet. {RUN}"
        if job.returncode is None:
            return f"{name} did not begin to record within {START_TIMEOUT} s."
        return f"{name} cannot be recorded: {explain(errors)}"

    def give_up_silent(self) -> None:
        """End the connection of a machine that has said nothing for long while it should."""
        now = time.time()
        if now > self.began + self.seconds:
            return  # it may be reading its logs
        for name, job in self.jobs.items():
            if now - self._last.get(name, self.began) > LOST and job.poll() is None:
                job.kill()

    def _kill(self) -> None:
        for job in self.jobs.values():
            if job.poll() is None:
                job.kill()
                job.wait()


RUN = "`espalier site` brings this version's program to the machines: run it first."


def machine_options(site: Site, *, insight: bool = False) -> dict[str, dict[str, Any]]:
    """What the program is told on each machine: its units, its peers, whether visitors come."""
    machines: Mapping[str, Any] = site.topology["machines"]
    salt = secrets.token_hex(8)
    return {
        name: {
            "project": site.name,
            "units": units(site.name, placed["services"]),
            "peers": {other["address"]: peer for peer, other in machines.items() if peer != name},
            "salt": salt,
            "requests": "nginx" in placed["services"],
            "insight": insight,
        }
        for name, placed in machines.items()
        if placed["services"]
    }


def recording(
    recorder: Recorder,
    machines: Mapping[str, Machine],
    facts: SiteFacts,
    purpose: Literal["measure", "load"],
    ended: float,
    load: Load | None = None,
) -> Recording:
    """Put a recording together; `ended` is when its last second was, on the Unix clock."""
    began = recorder.began
    return Recording(
        id=new_id(),
        made=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(began)),
        kit=version("django-espalier"),
        environment=recorder.site.inventory.name,
        purpose=purpose,
        began=began,
        ended=ended,
        site=facts,
        machines=dict(machines),
        load=load,
    )


@contextmanager
def _ignoring_interrupt() -> Iterator[None]:
    """Processes that are started meanwhile do not end at Ctrl-C, which is for this one.

    ssh leaves a signal ignored that was so when it began.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
