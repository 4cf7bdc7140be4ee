"""What scenarios that are driven step by step share: machines by SSH, the kit's commands, steps.

Each has a directory `site` beside its driver, an environment as a user has it, which is copied to
.lab/NAME/site; the machines are those of its inventory, by root and the lab's key.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from espalier.environment import plain_environment
from espalier.lab.machines import SSH_KEY

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
UNKNOWN = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
UNKNOWN += ["-o", "LogLevel=ERROR", "-o", "ConnectTimeout=5"]
# Where a machine was killed, ssh ends after a minute without an answer. It would wait for ever.
UNKNOWN += ["-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=4"]
SSH = ["ssh", "-i", str(SSH_KEY), *UNKNOWN]


class Wrong(Exception):
    """Something is not as it should be."""


def demand(condition: object, sentence: str) -> None:
    """Wrong with the sentence unless the condition holds."""
    if not condition:
        raise Wrong(sentence)


def soon(holds: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether it holds within some seconds: a reload takes a moment to show."""
    until = time.monotonic() + seconds
    while not (is_so := holds()) and time.monotonic() < until:
        time.sleep(0.2)
    return is_so


class Lab:
    """The machines of a scenario, and an environment of the kit for them."""

    def __init__(self, name: str) -> None:
        """Nothing is made or removed yet."""
        self.name = name
        self.here = ROOT / "molecule" / name
        self.home = ROOT / ".lab" / name
        self.site_directory = self.home / "site"

    def prepare(self) -> None:
        """Begin with the environment as it is in the repository, and with an empty log."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.home.mkdir(parents=True)
        shutil.copytree(self.here / "site", self.site_directory)

    def say(self, line: str) -> None:
        """Print a line at once."""
        print(f"{self.name}: {line}", flush=True)

    def on(self, address: str, script: str, *, status: int | None = 0) -> str:
        """Run a script as root on a machine; gives what it wrote.

        Raises Wrong for another exit status than the one that is named; None takes any.
        """
        words = [*SSH, f"root@{address}", "bash -euo pipefail -s"]
        done = subprocess.run(words, input=script, text=True, capture_output=True)
        self._note(f"{address}: {script}", done)
        if status is not None and done.returncode != status:
            raise Wrong(f"{script!r} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def espalier(self, *words: str, status: int | None = 0, with_errors: bool = True) -> str:
        """Run a command of the kit for the environment; gives what it wrote, or raises Wrong."""
        argv = ["espalier", words[0], "-i", str(self.site_directory), *words[1:]]
        return self.run(argv, status, with_errors)

    def site(self, status: int | None = 0) -> str:
        """Run `espalier site`; gives what it wrote, or raises Wrong."""
        return self.espalier("site", status=status)

    def run(
        self,
        argv: Sequence[str],
        status: int | None = 0,
        with_errors: bool = True,
        cwd: Path = ROOT,
    ) -> str:
        """Run a program of the kit's virtual environment here; gives what it wrote, or Wrong."""
        done = subprocess.run(
            [str(BIN / argv[0]), *argv[1:]],
            capture_output=True,
            text=True,
            cwd=cwd,
            env=plain_environment(ANSIBLE_CONFIG=str(ROOT / "ansible.cfg")),
            stdin=subprocess.DEVNULL,
        )
        self._note(" ".join(argv), done)
        said = f"{' '.join(argv[:2])} ended with {done.returncode}: {done.stdout}{done.stderr}"
        demand(status is None or done.returncode == status, said)
        return done.stdout + (done.stderr if with_errors else "")

    def _note(self, command: str, done: subprocess.CompletedProcess[str]) -> None:
        with (self.home / "commands.log").open("a") as log:
            log.write(f"$ {command}\n{done.stdout}{done.stderr}[{done.returncode}]\n\n")

    def take(self, steps: Sequence[Callable[[], None]], prepare: Callable[[], None]) -> int:
        """Prepare and take every step, or only those that are named; gives the exit status."""
        wanted = sys.argv[1:]
        if unknown := set(wanted) - {step.__name__ for step in steps}:
            self.say(f"no such step: {', '.join(sorted(unknown))}")
            return 2
        chosen = [step for step in steps if step.__name__ in wanted or not wanted]
        for step in [*([] if wanted else [prepare]), *chosen]:
            began = time.monotonic()
            try:
                step()
            except (Wrong, OSError, subprocess.SubprocessError) as error:
                self.say(f"WRONG: {step.__name__}: {error}")
                return 1
            self.say(f"{step.__name__:<40} {time.monotonic() - began:6.1f} s")
        return 0
