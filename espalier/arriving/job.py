"""A command that runs as root on a machine: fed from here, and read while it runs."""

from __future__ import annotations

import subprocess
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

from espalier.inventory.remote import Remote, root_command
from espalier.inventory.site import SiteError
from espalier.rollout.lock import HEARTBEAT

CHUNK = 1 << 20  # bytes
COMPRESSED = ("-C",)


class Job:
    """A command that runs; `out` is what it prints."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        """Take its process, and read what it writes to its error output."""
        assert process.stdout
        self.out: IO[bytes] = process.stdout
        self._process, self._errors = process, list[bytes]()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def ended(self) -> tuple[int, str]:
        """Wait for its end, once `out` was read; gives exit status and error output."""
        status = self._process.wait()
        self._reader.join()
        return status, b"".join(self._errors).decode(errors="replace")

    def _read(self) -> None:
        assert self._process.stderr
        self._errors.append(self._process.stderr.read())


@contextmanager
def started(
    remote: Remote,
    machine: str,
    words: Sequence[str],
    content: Iterable[bytes] = (),
    *,
    beats: bool = False,
    options: Sequence[str] = COMPRESSED,
) -> Iterator[Job]:
    """Run a command as root with an input. The connection is closed at the end.

    Args:
        remote: how machines are reached.
        machine: where it runs.
        words: the command.
        content: its input.
        beats: after that the input stays open, with a sign of life every few seconds.
        options: more of ssh's.

    Raises:
        SiteError: the input cannot be read to its end; the command has had its beginning.
    """
    line, password = root_command(remote.site.variables[machine], words)
    process = subprocess.Popen(
        [*remote.command(machine, options), line],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=remote.environment,
    )
    assert process.stdin
    failed: list[Exception] = []
    ended = threading.Event() if beats else None
    feeder = threading.Thread(
        target=_feed, args=(process.stdin, password, content, failed, ended), daemon=True
    )
    feeder.start()
    try:
        yield Job(process)
    finally:
        if ended:
            ended.set()
        process.kill()  # where this is interrupted: what runs on the machine ends with its input
        process.wait()
    feeder.join()
    if failed:
        raise SiteError(f"What was to be sent to {machine} cannot be read: {failed[0]}.")


def _feed(
    stream: IO[bytes],
    password: str,
    content: Iterable[bytes],
    failed: list[Exception],
    ended: threading.Event | None,
) -> None:
    with suppress(BrokenPipeError), stream:  # where ssh has ended, it says why
        stream.write(password.encode())
        try:
            for chunk in content:
                stream.write(chunk)
            while ended:
                stream.flush()
                if ended.wait(HEARTBEAT):
                    break
                stream.write(b"\n")
        except BrokenPipeError:
            raise
        # A packed dump that is cut off; what another machine sends.
        except (OSError, EOFError, zlib.error, SiteError) as error:
            failed.append(error)


def chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield a file in pieces."""
    while chunk := stream.read(CHUNK):
        yield chunk
