"""Run commands as root on machines, through OpenSSH or pyinfra; passwords in no argument.

Where the inventory (or -K) has a password for sudo, it is sent before the command's own input: see
`password_input`. On a terminal sudo asks, and is answered there: `espalier.inventory.terminal`.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espalier.inventory import askpass, known_hosts, terminal
from espalier.inventory.connection import BECOME_PASSWORD
from espalier.inventory.site import Site
from espalier.inventory.ssh_config import (
    Variables,
    command,
    config_file,
    destinations,
    option,
)
from espalier.inventory.unreachable import host_key_refusal

NONE = "sudo: a password is required"  # sudo's words
MISSING = "sudo needs a password there: add -K, or set ansible_become_password in the inventory."
WRONG = (
    "sudo refuses the password: check what was typed, or ansible_become_password in the inventory."
)
END = "-- end of the password --"
# sudo takes a line of stdin for the password, or none where it needs no password; so what follows
# reads up to the mark. A wrong password is tried once only: several tries could lock the account.
WITH_PASSWORD = f"""
input='while IFS= read -r line && [ "$line" != "{END}" ]; do :; done; exec "$@"'
IFS= read -r password
[ "$(id -u)" = 0 ] && exec sh -c "$input" sh "$@"
printf '%s\\n' "$password" | sudo -k -S -p '' -v || {{ echo "{WRONG}" >&2; exit 1; }}
unset password
exec sudo -k -S -p '' -- sh -c "$input" sh "$@"
"""
# A shell within sudo, so that a command that is not there ends with 127: sudo's own status is 1.
WITHOUT_PASSWORD = (
    'if [ "$(id -u)" = 0 ]; then exec "$@"; else exec sudo -n -- sh -c \'exec "$@"\' sh "$@"; fi'
)
ON_TERMINAL = 'if [ "$(id -u)" = 0 ]; then exec "$@"; else exec sudo -- "$@"; fi'
# What runs as root says so first: from then on no question is sudo's, and none is answered.
ANSWERED_ON_TERMINAL = f"""
begin='printf {terminal.AS_ROOT_ESCAPE}; exec "$@"'
[ "$(id -u)" = 0 ] && exec sh -c "$begin" sh "$@"
exec sudo -p {shlex.quote(terminal.QUESTION)} -- sh -c "$begin" sh "$@"
"""


def as_root(words: Sequence[str], *, password: bool = False, terminal: bool = False) -> str:
    """A command as a shell line that runs it as root, or as who may become it.

    Args:
        words: the command and its arguments.
        password: it is known. `password_input` comes before the command's own input; on a terminal,
            `espalier.inventory.terminal` answers sudo.
        terminal: the command has a terminal, on which sudo may ask.
    """
    scripts = {
        (False, False): WITHOUT_PASSWORD,
        (False, True): ON_TERMINAL,
        (True, False): WITH_PASSWORD,
        (True, True): ANSWERED_ON_TERMINAL,
    }
    return shlex.join(["sh", "-c", scripts[password, terminal], "sh", *words])


def password_input(password: str) -> str:
    """What `as_root(password=True)` expects on stdin before the command's own input."""
    return f"{password}\n{password}\n{END}\n"


def explain(errors: str) -> str:
    """Why a command has no output: the last line that it wrote, or what to do about it."""
    lines = errors.strip().splitlines() or ["no answer"]
    if refused := host_key_refusal("the machine", errors):
        return refused
    return MISSING if lines[-1] == NONE else lines[-1]


def root_command(variables: Mapping[str, Any], words: Sequence[str]) -> tuple[str, str]:
    """A shell line that runs a command as root on a machine, and the input that it needs first.

    The input is "" where no password is known. pyinfra takes it as `_stdin`.
    """
    password = str(variables.get(BECOME_PASSWORD, ""))
    return as_root(words, password=bool(password)), password_input(password) if password else ""


def connection_data(site_variables: Variables, machine: str, config: Path) -> dict[str, Any]:
    """What pyinfra is told about a machine: the configuration has the rest.

    pyinfra reads from it HostName, Port, User, IdentityFile, CertificateFile, IdentityAgent,
    UserKnownHostsFile, ForwardAgent, ServerAliveInterval, ConnectTimeout, ProxyJump, ProxyCommand.
    """
    variables = site_variables[machine]
    data: dict[str, Any] = {
        "ssh_hostname": destinations(site_variables)[machine],
        "ssh_config_file": str(config),
    }
    # pyinfra has a default of its own, which goes before the configuration's.
    if checking := option(variables, "StrictHostKeyChecking", machine):
        data["ssh_strict_host_key_checking"] = checking
    # pyinfra splits the configuration's value at spaces, quoted or not.
    files = known_hosts.paths(option(variables, "UserKnownHostsFile", machine))
    if len(files) == 1:
        data["ssh_known_hosts_file"] = files[0]
    if password := variables.get("ansible_password"):
        data["ssh_password"] = password
    # Not `_sudo_password`: pyinfra writes it into a command line, which others on the machine see.
    if variables.get("ansible_user") not in (None, "root"):
        data["_sudo"] = True
    return data


@dataclass(frozen=True)
class Remote:
    """The machines of a site, as OpenSSH reaches them with one generated configuration.

    `environment` is all that ssh is started with.
    """

    site: Site
    config: Path
    environment: Mapping[str, str]

    def command(self, machine: str, options: Sequence[str] = ()) -> list[str]:
        """The ssh command that reaches a machine, without what to run there."""
        return command(self.config, destinations(self.site.variables)[machine], options)

    def start(
        self, machine: str, words: Sequence[str], *, keep_input: bool = False, **pipes: Any
    ) -> subprocess.Popen[str]:
        """Start a command as root on a machine; it has no input but the password.

        Args:
            machine: its name.
            words: the command and its arguments.
            keep_input: leave its input open as `stdin` of the process: the command sees its end
                when that is closed, or when this process ends.
            pipes: stdout and stderr as `subprocess.Popen` takes them; what they carry is text.
        """
        line, before = root_command(self.site.variables[machine], words)
        job: subprocess.Popen[str] = subprocess.Popen(
            [*self.command(machine), line],
            stdin=subprocess.PIPE if before or keep_input else subprocess.DEVNULL,
            env=self.environment,
            text=True,
            errors="replace",
            **pipes,
        )
        if job.stdin and keep_input:
            with suppress(BrokenPipeError):
                job.stdin.write(before)
                job.stdin.flush()
        elif job.stdin:
            with suppress(BrokenPipeError), job.stdin:  # where ssh has ended, it says why
                job.stdin.write(before)
            job.stdin = None
        return job

    def run(self, machine: str, words: Sequence[str]) -> tuple[int, str, str]:
        """Run a command as root on a machine; gives exit status, output and error output."""
        job = self.start(machine, words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, error = job.communicate()
        return job.returncode, out, error

    def attach(self, machine: str, words: Sequence[str]) -> int:
        """Run a command as root on a machine with this terminal, or with this stdin.

        Gives its exit status; 130 if the person ended it.
        """
        variables = self.site.variables[machine]
        try:
            if sys.stdin.isatty() and sys.stdout.isatty():
                password = str(variables.get(BECOME_PASSWORD, ""))
                line = as_root(words, password=bool(password), terminal=True)
                argv = [*self.command(machine, ["-t"]), line]
                if not password:
                    return subprocess.run(argv, env=self.environment).returncode
                return terminal.run(argv, self.environment, password)
            line, before = root_command(variables, words)
            argv = [*self.command(machine), line]
            if not before:
                return subprocess.run(argv, env=self.environment).returncode
            return _run_with_input(argv, self.environment, before)
        except KeyboardInterrupt:
            return 130


def _run_with_input(argv: Sequence[str], environment: Mapping[str, str], before: str) -> int:
    """Run a command with some input before what this process's own stdin has."""
    job = subprocess.Popen(argv, stdin=subprocess.PIPE, env=environment)
    assert job.stdin
    target = job.stdin.fileno()

    def copy() -> None:
        with suppress(BrokenPipeError), job.stdin or nullcontext():
            os.write(target, before.encode())
            while chunk := os.read(sys.stdin.fileno(), 65536):
                while chunk:
                    chunk = chunk[os.write(target, chunk) :]

    # Not joined: the command may end while the person's terminal still has nothing to read.
    threading.Thread(target=copy, daemon=True).start()
    return job.wait()


@contextmanager
def reach(site: Site) -> Iterator[Remote]:
    """Write what ssh needs to reach the machines of a site, and remove it at the end."""
    known = askpass.passwords(site.variables)
    scripts = {"askpass": askpass.script()} if known else {}
    with config_file(site.variables, scripts) as config:
        yield Remote(site, config, {**os.environ, **askpass.environment(config.parent, known)})
