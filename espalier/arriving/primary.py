"""The machine with the site's primary: the program `importing` there, and what it is sent."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from espalier.arriving.job import started
from espalier.arriving.url import SourceUrl
from espalier.inventory.remote import Remote, explain
from espalier.inventory.site import SiteError
from espalier.wiring.programs import program

# Beside the data, so that there is as much room; removed at the end, and by the next import.
FOLDER = "/var/lib/postgresql/espalier-import"
AS_POSTGRES = ("runuser", "-u", "postgres", "--")
PROGRAM = f"{FOLDER}/importing.pyz"
# Whatever the program has begun has ended then: it ends with us, half a minute later at the most.
REMOVE = f"[ ! -d {FOLDER} ] || flock -w 60 {FOLDER} rm -rf {FOLDER}"
ALLOCATED = re.compile(r"Allocated port (\d+)")
TUNNEL_TIMEOUT = 20  # seconds


class NoAnswer(SiteError):
    """The machine did not say how a command has ended: the connection is gone, for one thing."""


class Primary:
    """The primary's machine while an import goes on; `is_clean`: nothing of it stays there."""

    def __init__(self, remote: Remote, machine: str) -> None:
        """Take how the site's machines are reached, and which one it is."""
        self.remote, self.machine, self.is_clean = remote, machine, True

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Run a command of the program `importing`; gives its result.

        Raises:
            SiteError: it failed, with its sentence and what a tool printed.
            NoAnswer: it is not known whether it did.
        """
        words = [*AS_POSTGRES, "python3", "-I", "-S", PROGRAM, command]
        status, out, errors = self.send(words, [f"{json.dumps(arguments)}\n".encode()], beats=True)
        try:
            result: dict[str, Any] = json.loads(out)
        except ValueError:
            raise NoAnswer(f"{self.machine}: {explain(errors)}", 1, errors) from None
        if status:
            raise SiteError(f"{self.machine}: {result['error']}", 1, result["detail"])
        return result

    def store(self, name: str, content: Iterable[bytes]) -> None:
        """Write a file into the import's directory, for nobody but postgres to read.

        Raises:
            SiteError: the machine does not take it.
        """
        script = f"umask 077; cat > {FOLDER}/{name}"
        status, _, errors = self.send([*AS_POSTGRES, "sh", "-c", script], content)
        if status:
            raise SiteError(f"{self.machine}: {name} cannot be sent: {explain(errors)}", 1, errors)

    def send(
        self, words: Sequence[str], content: Iterable[bytes], *, beats: bool = False
    ) -> tuple[int, str, str]:
        """Run a command as root with an input; gives exit status, output and error output.

        Args:
            words: the command.
            content: its input.
            beats: after that the input stays open, with a sign of life every few seconds.

        Raises:
            SiteError: the input cannot be read to its end; the command has had its beginning.
        """
        with started(self.remote, self.machine, words, content, beats=beats) as job:
            out = job.out.read()
            status, errors = job.ended()
        return status, out.decode(errors="replace"), errors

    @contextmanager
    def prepared(self) -> Iterator[None]:
        """Have the program there, in an empty directory; both are gone at the end.

        Raises:
            SiteError: the machine does not take it, or an import that was cut off has not ended.
        """
        script = f"({REMOVE}) || exit 3; umask 077 && mkdir {FOLDER}"
        status, _, errors = self.send([*AS_POSTGRES, "sh", "-c", script], [])
        if status == 3:
            raise SiteError(
                f"What an import before has begun on {self.machine} still runs. Wait a minute, "
                "and run this again. Nothing was changed.",
                3,
            )
        if status:
            raise SiteError(f"{self.machine}: {explain(errors)}", 1, errors)
        try:
            self.store("importing.pyz", [program("importing").content])
            yield
        finally:
            self.is_clean = self.send(["sh", "-c", REMOVE], [])[0] == 0

    @contextmanager
    def reaching(self, source: SourceUrl) -> Iterator[str]:
        """Tell the machine how to reach the source; gives how it does, in words.

        By itself, or else through a tunnel of this connection: some databases are to be reached
        from here only.

        Raises:
            SiteError: neither way leads there, or the source does not let us in.
        """
        self.store("service", [source.service().encode()])
        try:
            self.ask("source")
        except SiteError as error:
            if not _is_unreachable(error):
                raise
            with self._tunnel(source) as port:
                self.store("service", [source.service(port).encode()])
                try:
                    self.ask("source")
                except SiteError as tunnelled:
                    if "closed the connection" not in tunnelled.detail:
                        raise
                    raise SiteError(
                        f"Neither {self.machine} nor this machine reaches {source.host}, port "
                        f"{source.port}. Is the address right, and may one of them connect there? "
                        "Nothing was changed.",
                        2,
                    ) from None
                yield "through this machine"
                return
        yield "directly"

    @contextmanager
    def _tunnel(self, source: SourceUrl) -> Iterator[int]:
        """Lead a port of the machine's own to the source, through here; gives its number."""
        way = f"127.0.0.1:0:[{source.host}]:{source.port}"
        options = ["-N", "-o", "LogLevel=INFO", "-o", "ExitOnForwardFailure=yes", "-R", way]
        options += ["-o", "ControlMaster=no", "-o", "ControlPath=none"]
        job = subprocess.Popen(
            self.remote.command(self.machine, options),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=self.remote.environment,
        )
        try:
            yield _allocated(job, self.machine)
        finally:
            job.terminate()
            job.wait()


def _allocated(job: subprocess.Popen[str], machine: str) -> int:
    """The port that sshd has chosen, as ssh tells."""
    timer = threading.Timer(TUNNEL_TIMEOUT, job.kill)
    timer.start()
    lines: list[str] = []
    try:
        assert job.stderr
        for line in job.stderr:
            lines.append(line)
            if found := ALLOCATED.search(line):
                return int(found[1])
    finally:
        timer.cancel()
    raise SiteError(
        f"{machine} does not reach the source, and allows no tunnel through this machine either: "
        f"{explain(''.join(lines))}",
        1,
        "".join(lines),
    )


def _is_unreachable(error: SiteError) -> bool:
    """Whether no PostgreSQL answered, as against one that does not let us in."""
    words = ("could not translate", "timeout expired", "refused", "unreachable", "No route")
    return any(word in error.detail for word in words)
