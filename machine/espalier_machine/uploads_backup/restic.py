"""Running restic: 0.14 of Debian 12 and 0.18 of Debian 13."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from espalier_machine.uploads_backup import config
from espalier_machine.uploads_backup.config import Config
from espalier_machine.uploads_backup.errors import BackupError
from espalier_machine.uploads_backup.explain import explain, is_locked
from espalier_machine.uploads_backup.state import PATIENCE

PROGRAM = "restic"
PAUSE = 20.0  # seconds between two tries
ENDED = 124  # exit status of what has taken too long, as of timeout(1)
CHUNK = 2**20  # bytes
PARTIAL = 3  # exit status: a snapshot was made, but some files could not be read


@dataclass(frozen=True)
class Done:
    """What restic answered: its exit status and its output."""

    status: int
    out: str
    err: str

    def messages(self) -> list[dict[str, Any]]:
        """The JSON objects among its lines, of either output."""
        lines = [*self.out.splitlines(), *self.err.splitlines()]
        return [json.loads(line) for line in lines if line.startswith("{")]


@dataclass(frozen=True)
class Restic:
    """restic, with a repository.

    Attributes:
        config: the settings.
        patience: seconds to wait for whoever has locked it.
    """

    config: Config
    patience: float = field(default_factory=lambda: PATIENCE)

    def argv(self, *arguments: str) -> list[str]:
        """The command line. It holds no secret."""
        if self.config.repository.startswith("/"):
            cache = ["--no-cache"]
        else:
            cache = ["--cache-dir", str(config.CACHE), "--cleanup-cache"]
        place = ["--repo", self.config.repository]
        return [PROGRAM, *place, *cache, *self.config.options, *arguments]

    def process(self) -> dict[str, Any]:
        """How it is started: with a small environment, and perhaps as another user."""
        kept = {k: os.environ[k] for k in ("PATH", "TMPDIR") if k in os.environ}
        settings = {"HOME": "/nonexistent", "LANG": "C.UTF-8", "RESTIC_PROGRESS_FPS": "0.01"}
        found: dict[str, Any] = {"env": {**kept, **settings, **self.config.environment}}
        if self.config.user and os.geteuid() == 0:
            who = pwd.getpwnam(self.config.user)
            found |= {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": [], "umask": 0o077}
        return found

    def passphrase(self) -> str:
        """The passphrase, with which standard input feeds restic whoever it runs as."""
        try:
            return Path(self.config.password_file).read_text()
        except OSError as error:
            raise BackupError(
                f"{self.config.password_file} cannot be read ({error.strerror}): it has the "
                "passphrase of the backups. `espalier site` writes it anew."
            ) from None

    def once(self, *arguments: str, timeout: float | None = None) -> Done:
        """Run it, whatever comes of it. One that takes too long is ended, and has failed."""
        argv, how = self.argv(*arguments), self.process()
        passphrase = self.passphrase()
        with _started(argv, stderr=subprocess.PIPE, **how) as process:
            try:
                out, err = process.communicate(passphrase, timeout=timeout)
            except subprocess.TimeoutExpired:
                return Done(
                    ENDED, "", _end(process) or f"no answer within {timeout:.0f} s: i/o timeout"
                )
        return Done(process.returncode, out, err)

    def run(
        self, *arguments: str, ok: tuple[int, ...] = (0,), timeout: float | None = None
    ) -> Done:
        """Run it; waits for whoever has locked the repository, but not for one that has died.

        Args:
            arguments: the command and what it takes.
            ok: exit statuses that are no failure.
            timeout: seconds that it may take.

        Raises:
            BackupError: it has failed.
        """
        begun, tries = time.monotonic(), 0
        while True:
            done = self.once(*arguments, timeout=timeout)
            if done.status in ok:
                return done
            if not is_locked(done.err) or time.monotonic() - begun > self.patience:
                raise explain(done.err or done.out)
            self.unlock(tries)
            tries += 1

    def lines(self, *arguments: str) -> Iterator[dict[str, Any]]:
        """Run it with `--json`, and give its answer line by line: a list of files may be long.

        Raises:
            BackupError: it has failed; what it gave before may lack something.
        """
        for line in self._read(iter, *arguments, "--json"):
            if line.startswith(b"{"):
                yield json.loads(line.decode(errors="replace"))

    def chunks(self, *arguments: str) -> Iterator[bytes]:
        """Run it, and give what it writes as it is, piece by piece.

        Raises:
            BackupError: it has failed; what it gave before is not all.
        """
        # Before its answer restic 0.14 would say that it has read the passphrase.
        return self._read(
            lambda output: iter(lambda: output.read(CHUNK), b""), "--quiet", *arguments
        )

    def _read(
        self, pieces: Callable[[BinaryIO], Iterator[bytes]], *arguments: str
    ) -> Iterator[bytes]:
        begun, tries, passphrase = time.monotonic(), 0, self.passphrase()
        argv = self.argv(*arguments)
        while True:
            with tempfile.TemporaryFile("w+") as said:
                with _started(argv, stderr=said, **self.process()) as process:
                    assert process.stdin and process.stdout
                    with suppress(BrokenPipeError):
                        process.stdin.write(passphrase)
                        process.stdin.close()
                    output: Any = process.stdout
                    yield from pieces(output.buffer)
                if not process.returncode:
                    return
                said.seek(0)
                err = said.read()
            # It is locked before it gives its first piece.
            if not is_locked(err) or time.monotonic() - begun > self.patience:
                raise explain(err)
            self.unlock(tries)
            tries += 1

    def unlock(self, tries: int) -> None:
        """Remove the lock of one that has died, and no other; after the first try, wait a bit."""
        self.once("unlock")
        time.sleep(PAUSE if tries else 0)

    def json(self, *arguments: str, timeout: float | None = None) -> Any:
        """Run it with `--json`; gives what it answers, as data. The arguments are those of `run`.

        Raises:
            BackupError: it has failed.
        """
        out = self.run(*arguments, "--json", timeout=timeout).out
        # Before its answer restic 0.14 says that it has read the passphrase.
        return json.loads(next(line for line in out.splitlines() if line[:1] in ("[", "{")))


@contextmanager
def _started(argv: list[str], **how: Any) -> Iterator[subprocess.Popen[str]]:
    """Run it; it ends with us."""
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            **how,
        )
    except FileNotFoundError:
        raise BackupError(
            "restic is not installed on this machine: `espalier site` installs it."
        ) from None
    with process:
        try:
            yield process
        except BaseException:
            process.terminate()
            raise


def _end(process: subprocess.Popen[str]) -> str:
    """End a process; gives what it had said before: its last words are that it was ended."""
    process.terminate()
    try:
        _, err = process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        _, err = process.communicate()
    return "\n".join(line for line in err.splitlines() if "retrying" in line or "ssh:" in line)
