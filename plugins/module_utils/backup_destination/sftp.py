"""Tries an account at an SFTP server, by the programs of OpenSSH."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from .problem import MAX_SKEW, UNREACHABLE, Problem, clock_problem, one_line, problem_of
from .trial import CONTENT, TIMEOUT, beginning, info_file, trial_name

SFTP_TIMEOUT = 90  # seconds for everything that one run of `sftp` does
# Kinds of host keys as the libssh2 of pgBackRest prefers them: it compares the first one that a
# server has, and no other.
HOST_KEYS = (
    *("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    *("ssh-ed25519", "rsa-sha2-512", "rsa-sha2-256"),
)

SSH_KEY = ".secrets/backup_ssh_key beside hosts.yml (in a vault: vault_backup_ssh_key)"
CHECK_HOST = "Check `host` and `port` of `backup` in hosts.yml"


class Account:
    """An account at an SFTP server, and the files by which `sftp` gets in there."""

    def __init__(self, settings: Mapping[str, Any], private_key: str, directory: str) -> None:
        """Write the files.

        Args:
            settings: as the module has them.
            private_key: a text of OpenSSH's.
            directory: where to write; nobody else may read there.

        Raises:
            Problem: it is no private key.
        """
        self.user, self.host, self.port = (str(settings[key]) for key in ("user", "host", "port"))
        self.server = f"{self.host}:{self.port}"
        self.key, self.known = f"{directory}/key", f"{directory}/known_hosts"
        name = self.host if self.port == "22" else f"[{self.host}]:{self.port}"
        for file, text in ((self.key, private_key), (self.known, f"{name} {settings['host_key']}")):
            with open(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as stream:
                stream.write(f"{text.strip()}\n")
        status, output = run(["ssh-keygen", "-y", "-P", "", "-f", self.key])
        self.public_line = " ".join([*output.split()[:2], "espalier-backup"])
        if status:
            raise Problem(
                "backup_ssh_key is no private key that OpenSSH reads, or has a passphrase. Write "
                f"one without into {SSH_KEY}; or remove it there, and the next run makes one."
            )

    def sftp(self, commands: list[str]) -> dict[str, str]:
        """Run commands at the server, each whatever became of the one before.

        Returns:
            What each has to say.

        Raises:
            Problem: nobody gets in there.
        """
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": TIMEOUT,
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlgorithms": ",".join(HOST_KEYS),
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "PreferredAuthentications": "publickey",
            "ServerAliveInterval": 5,
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": self.known,
        }
        argv = ["sftp", "-F", "none", "-b", "-", "-i", self.key, "-P", self.port]
        argv += [f"-o{name}={value}" for name, value in options.items()]
        argv.append(f"{self.user}@[{self.host}]")
        _, output = run(argv, "".join(f"-{command}\n" for command in commands))
        before, *parts = re.split(r"(?m)^sftp> -(.*)$", output)
        if not parts:
            raise self.refusal(before)
        return dict(zip(parts[::2], map(str.strip, parts[1::2]), strict=True))

    def refusal(self, output: str) -> Problem:
        """Return the problem that the output of ssh tells of."""
        if "Host key verification failed" in output:
            return Problem(
                f"{self.server} does not show the key that is `host_key` of `backup` in hosts.yml. "
                f"{self.shown_key()}"
            )
        if "Permission denied (" in output:
            return Problem(
                f"{self.server} does not let the user {self.user} in with the SSH key of the "
                "backups. Add this line to .ssh/authorized_keys of that user there, or correct "
                f"`user` of `backup` in hosts.yml: {self.public_line}"
            )
        if "subsystem request failed" in output:
            return Problem(
                f"{self.server} lets the user {self.user} in, and offers no SFTP. Turn SFTP on "
                "there (`Subsystem sftp internal-sftp` in its sshd_config), or write another "
                "`host` into `backup` in hosts.yml."
            )
        lines = re.sub(r"(?m)^Connection closed\.?$", "", output).strip().splitlines()
        names = {"server": self.server, "check": CHECK_HOST, "words": one_line("".join(lines[-1:]))}
        return problem_of(UNREACHABLE, output, **names)

    def shown_key(self) -> str:
        """Say which key the server shows, for comparison."""
        _, output = run(["ssh-keyscan", "-T", str(TIMEOUT), "-p", self.port, self.host])
        keys = re.findall(r"(?m)^[^#\s]\S* ((?:ssh|ecdsa)-\S+ [A-Za-z0-9+/=]+)$", output)
        if not keys:
            return f"{CHECK_HOST}, and `host_key`."
        kinds = [name for name in HOST_KEYS if not name.startswith("rsa")]
        found = {key.split()[0]: key for key in keys}
        key = next((found[kind] for kind in kinds if kind in found), keys[0])
        return (
            f"It shows {key} now. Compare that with what its provider says: if both are the same, "
            "write it as `host_key`; if not, somebody else answers there."
        )


def run(argv: list[str], text: str = "") -> tuple[int, str]:
    """Run a program of OpenSSH's; returns its status, and both of its outputs in their order."""
    try:
        done = subprocess.run(
            argv,
            input=text.encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SFTP_TIMEOUT,
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired as error:
        return -1, f"{(error.output or b'').decode(errors='replace')}\ntimed out"
    return done.returncode, done.stdout.decode(errors="replace").strip()


def parents(path: str) -> list[str]:
    """Return a path and what it lies in, the outermost first."""
    parts = path.strip("/").split("/")
    return ["/" + "/".join(parts[: count + 1]) for count in range(len(parts))]


def clock_skew(came: float, began: float, ended: float) -> float | None:
    """Return how many seconds the server's clock is ahead; None where it says no time.

    Args:
        came: when a file came there, by its clock, in whole seconds.
        began: the earliest moment at which it can have come, by this machine's.
        ended: the latest.
    """
    if came < 1e9:  # long ago: a server without times
        return None
    return round(min(came + 1 - began, 0.0) or max(came - ended, 0.0), 1) + 0.0


def try_sftp(
    settings: Mapping[str, Any], secrets: Mapping[str, str], stanza: str, seen: dict[str, Any]
) -> None:
    """Try an SFTP server; arguments and errors are those of `try_s3`."""
    if not shutil.which("sftp"):
        raise Problem(
            "This machine has no program `sftp`, which `to: sftp` of `backup` in hosts.yml needs. "
            "Run `apt install openssh-client` there."
        )
    path = settings["path"]
    name, info = trial_name(path), info_file(path, stanza)
    with tempfile.TemporaryDirectory() as directory:
        account = Account(settings, secrets.get("ssh_key") or "", directory)
        sent, received, found = (f"{directory}/{one}" for one in ("sent", "received", "found"))
        for file, content in ((sent, CONTENT), (received, b""), (found, b"")):
            with open(file, "wb") as stream:
                stream.write(content)
        making = {f'mkdir "{one}"': one for one in parents(path)}
        put, remove = f'put "{sent}" "{name}"', f'rm "{name}"'
        get = f'get -p "{name}" "{received}"'  # with the time at which its server says it came
        left, known, free = f'ls -1 "{name}"', f'ls -1 "{info}"', f'df "{path}"'
        look = f'get "{info}" "{found}"'
        began = time.time()
        said = account.sftp(["pwd", *making, put, get, remove, left, known, look, free])
        ended = time.time()
        # Most commands say something only where they fail.
        made = [one for command, one in making.items() if said.get(command) == ""]
        if made or left not in said:
            with contextlib.suppress(Problem):
                account.sftp([remove, *(f'rmdir "{one}"' for one in reversed(made))])
        with open(received, "rb") as stream:
            read, came = stream.read(), os.stat(received).st_mtime
        with open(found, "rb") as stream:
            seen["info_begins"] = beginning(stream.read())
    seen["has_backups"] = said.get(known) == info
    if numbers := re.search(r"(?m)^ *\d+ +\d+ +(\d+) +\d+ +\d+%", said.get(free, "")):
        seen["free_bytes"] = int(numbers[1]) * 1024
    if read != CONTENT:
        action, words = "read what it has written", "it has changed"
        for command, what in ((get, action), (put, "write")):
            if errors := said.get(command, "timed out"):
                action, words = what, one_line(errors.splitlines()[-1].rpartition(": ")[2])
        home = one_line(said["pwd"].rpartition(": ")[2])
        raise Problem(
            f"The user {account.user} cannot {action} in {path} at {account.server} ({words}). "
            "Write a `path` into `backup` in hosts.yml where that user may write (a login begins "
            f"in {home}), or let the user write there, and see that the disk is not full."
        )
    seen["clock_skew"] = clock_skew(came, began, ended)
    if said.get(left) == name:
        raise Problem(
            f"The user {account.user} cannot delete in {path} at {account.server}, so that old "
            f"backups would stay for ever. Let the user delete there; and delete {name} yourself."
        )
    if abs(seen["clock_skew"] or 0) > MAX_SKEW:
        raise clock_problem(seen["clock_skew"], account.server)
