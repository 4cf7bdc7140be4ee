#!/usr/bin/env python3
"""Reach a machine in every way that Ansible does: bastion, port, user, passwords, vault.

    reach.py        as CI does; the lab of molecule/reach/inventory must be up

The machine answers SSH only from the bastion, only on port 2222, and not for root. Its user becomes
root without a password at the first run of site.yml, and with one from then on. Every command of
COMMANDS is run in every one of `ways()` and has to end well. A wrong password has to end with a
sentence. What each command wrote is in .lab/reach/commands.log.
"""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from espalier.lab.machines import SSH_KEY
from tests.steps import BIN, ROOT, UNKNOWN

HERE = Path(__file__).resolve().parent
HOME = ROOT / ".lab" / "reach"
GATE, MACHINE = "198.18.104.11", "198.18.104.12"
PASSWORD = "pear on 'quince' $tock"  # for sudo; what a shell would take apart
VAULT_PASSWORD = "grafting wax"
SECRET = "only the vault knows"

# What a person types, in every way. Each has to end with the status 0, and to print the words.
COMMANDS: list[tuple[list[str], str]] = [
    (["status"], "vps1"),
    (["manage", "--", "check"], "no issues"),
    (["psql", "-c", "select 'pears'"], "pears"),
    (["maintenance", "status"], "vps1"),
]
# And in one way.
MORE_COMMANDS: list[tuple[list[str], str]] = [
    (["status", "--json"], '"ok": true'),
    (["log"], "RELEASE"),
    (["logs", "-n", "3"], "vps1"),
    (["manage", "--", "shell", "-c", "import os; print(os.environ['REACH_SECRET'])"], SECRET),
    (["maintenance", "on", "/closed/"], "/closed/ is closed"),
    (["maintenance", "off", "/closed/"], "/closed/ is open"),
    (["release"], "is live on vps1"),
    (["rollback"], "is live on vps1"),
]


class ReachError(Exception):
    """A command did not end as it should."""


@dataclass
class Way:
    """One way to give passwords: arguments, environment, and what is typed at which question."""

    arguments: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    typed: dict[str, str] = field(default_factory=dict)
    vault: bool = True  # whether the password for sudo is in the vault


def ways() -> dict[str, Way]:
    """Every way, by name."""
    vault, become = str(HOME / "vault-password"), str(HOME / "sudo-password")
    gate = f"ssh -F {HOME / 'ssh_config'} -W %h:%p gate"
    command = f"{' '.join(UNKNOWN)} -o ProxyCommand='{gate}'"
    return {
        "a vault and its password file": Way(["--vault-password-file", vault]),
        "a vault, its password file in the environment": Way(
            environment={"ANSIBLE_VAULT_PASSWORD_FILE": vault}
        ),
        "a vault, its password typed": Way(
            ["--ask-vault-pass"], typed={"Vault password": VAULT_PASSWORD}
        ),
        "a password file for sudo": Way(["--become-password-file", become], vault=False),
        "a password for sudo, typed": Way(["-K"], typed={"BECOME password": PASSWORD}, vault=False),
        "a bastion by ProxyCommand": Way(
            [
                "--vault-password-file",
                vault,
                "--extra-vars",
                json.dumps({"ansible_ssh_common_args": command}),
            ]
        ),
        "a password for SSH, typed": Way(
            # An empty key file is none.
            ["-k", "-K", "--extra-vars", "ansible_ssh_private_key_file="],
            typed={"SSH password": PASSWORD, "BECOME password": ""},
            vault=False,
        ),
    }


class Run:
    """The lab, and what is done with it."""

    def __init__(self) -> None:
        """Make the directory of what commands write."""
        HOME.mkdir(parents=True, exist_ok=True)
        self._log = (HOME / "commands.log").open("w", buffering=1)

    def say(self, line: str) -> None:
        """Print a line at once."""
        print(f"reach: {line}", flush=True)

    # -- preparation -----------------------------------------------------------------------------

    def prepare(self) -> None:
        """Make users, passwords, the other port; close the machine to all but the bastion."""
        ssh = ["ssh", "-i", str(SSH_KEY), *UNKNOWN]
        person = """
            id -u {user} >/dev/null 2>&1 || useradd --create-home --shell /bin/bash {user}
            install -d -m 700 -o {user} /home/{user}/.ssh
            cp /root/.ssh/authorized_keys /home/{user}/.ssh/ && chown {user} /home/{user}/.ssh/*
        """
        self.shell([*ssh, f"root@{GATE}"], person.format(user="jump"))
        if self.is_open(22):
            closed = f"""
                {person.format(user="deploy")}
                IFS= read -r password
                printf 'deploy:%s\\n' "$password" | chpasswd
                echo 'deploy ALL=(ALL:ALL) NOPASSWD: ALL' > /etc/sudoers.d/deploy
                rm -f /etc/ssh/sshd_config.d/lab.conf
                printf 'Port 2222\\nPermitRootLogin no\\n' > /etc/ssh/sshd_config.d/reach.conf
                nft -f - <<'END'
                table inet reach {{
                    chain input {{
                        type filter hook input priority -10; policy accept;
                        tcp dport {{ 22, 2222 }} ip saddr != {GATE} drop
                    }}
                }}
                END
                systemctl restart ssh
            """
            lines = "\n".join(line.strip() for line in closed.splitlines())
            self.shell([*ssh, f"root@{MACHINE}"], lines, PASSWORD + "\n")
        if self.is_open(22) or self.is_open(2222):
            raise ReachError("the machine can be reached past its bastion, so this tests nothing")
        (HOME / "ssh_config").write_text(
            f"Host gate\n  HostName {GATE}\n  User jump\n  IdentityFile {SSH_KEY}\n"
            "  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n  LogLevel ERROR\n"
        )
        self._secret("vault-password", VAULT_PASSWORD)
        self._secret("sudo-password", PASSWORD)
        self._secret("wrong-password", "not this one")
        shutil.rmtree(HOME / "project", ignore_errors=True)
        shutil.copytree(ROOT / "examples" / "orchard", HOME / "project")
        for name, in_vault in (("vault", True), ("plain", False)):
            self._inventory(HOME / name, in_vault)

    def _secret(self, name: str, text: str) -> None:
        (HOME / name).touch(mode=0o600)
        (HOME / name).write_text(text + "\n")

    def _inventory(self, target: Path, in_vault: bool) -> None:
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(HERE / "site", target)
        hosts = target / "hosts.yml"
        hosts.write_text(hosts.read_text().replace("-F ssh_config", f"-F {HOME / 'ssh_config'}"))
        values = {"pears_from_the_vault": SECRET}
        values |= {"ansible_become_password": PASSWORD} if in_vault else {}
        file = target / "group_vars" / "all" / "vault.yml"
        file.write_text(json.dumps(values))
        if in_vault:
            password = ["--vault-password-file", str(HOME / "vault-password")]
            self.shell([str(BIN / "ansible-vault"), "encrypt", *password, str(file)])

    def shell(self, argv: Sequence[str], script: str = "", stdin: str = "") -> None:
        """Run a command, with a script as its last argument; ReachError unless it ends well."""
        words = [*argv, f"set -eu\n{script}"] if script else list(argv)
        done = subprocess.run(words, input=stdin, text=True, capture_output=True)
        if done.returncode:
            raise ReachError(f"{argv[0]} {argv[-1]}: {done.stderr or done.stdout}")

    def is_open(self, port: int) -> bool:
        """Whether the machine's SSH answers here, without the bastion."""
        words = ["timeout", "3", "bash", "-c", f"exec 3<>/dev/tcp/{MACHINE}/{port}"]
        return subprocess.run(words, capture_output=True).returncode == 0

    # -- commands --------------------------------------------------------------------------------

    def run(self, argv: Sequence[str], way: Way, status: int = 0) -> str:
        """Run a command in a way; gives what it wrote, ReachError unless it ends with a status."""
        argv = [str(BIN / argv[0]), *argv[1:]]
        environment = {**os.environ, **way.environment, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
        if way.typed:
            code, output = on_terminal(argv, environment, way.typed)
        else:
            done = subprocess.run(
                argv,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                cwd=ROOT,
            )
            code, output = done.returncode, done.stdout
        self._log.write(f"$ {' '.join(argv)}\n{output}\n[{code}]\n\n")
        if code != status:
            raise ReachError(f"{' '.join(argv[1:])} ended with {code}, not {status}:\n{output}")
        if PASSWORD in output or VAULT_PASSWORD in output:
            raise ReachError(f"{' '.join(argv[1:])} shows a password")
        return output

    def converge(self, way: Way) -> None:
        """What `make site` does."""
        argv = ["ansible-playbook", "site.yml", "-i", str(self.inventory(way)), *way.arguments]
        self.run(argv, way)

    def demand_password(self) -> None:
        """Let the machine's user become root only with a password."""
        rule = "echo 'deploy ALL=(ALL:ALL) ALL' > /etc/sudoers.d/deploy"
        argv = ["ansible", "vps1", "-b", "-m", "ansible.builtin.shell", "-a", rule]
        none = Way(vault=False)
        self.run([*argv, "-i", str(self.inventory(none))], none)

    def inventory(self, way: Way) -> Path:
        """The inventory that a way is for."""
        return HOME / ("vault" if way.vault else "plain")

    def command(self, words: Sequence[str], way: Way, status: int = 0) -> str:
        """One command of the kit, in a way."""
        name, *rest = words
        argv = ["espalier", name, "-i", str(self.inventory(way)), *way.arguments, *rest]
        return self.run(argv, way, status)


def on_terminal(
    argv: Sequence[str], environment: Mapping[str, str], typed: Mapping[str, str]
) -> tuple[int, str]:
    """Run a command on a terminal of its own, as a person who answers its questions."""
    process, master = pty.fork()
    if process == 0:
        os.chdir(ROOT)
        os.execvpe(argv[0], list(argv), dict(environment))
    output, unread, left = "", "", dict(typed)
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if not select.select([master], [], [], 1)[0]:
            continue
        try:
            chunk = os.read(master, 65536).decode(errors="replace")
        except OSError:
            break
        if not chunk:
            break
        output, unread = output + chunk, unread + chunk
        for question in [one for one in left if one in unread]:
            os.write(master, f"{left.pop(question)}\n".encode())
            unread = ""
    else:
        os.kill(process, 9)
        output += "\n(no end after 60 s)"
    os.close(master)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), output


def check(run: Run) -> bool:
    """Run everything; gives whether all ended as it should."""
    good = True

    def attempt(name: str, work: Any) -> None:
        nonlocal good
        began = time.monotonic()
        try:
            work()
        except ReachError as error:
            good = False
            run.say(f"WRONG: {name}: {error}")
        run.say(f"{name:<52} {time.monotonic() - began:6.1f} s")

    def expect(way: Way, commands: Sequence[tuple[list[str], str]]) -> None:
        for words, expected in commands:
            output = run.command(words, way)
            if expected not in output:
                raise ReachError(f"{' '.join(words)} does not write {expected!r}:\n{output}")

    every = ways()
    first = next(iter(every.values()))
    attempt("site.yml, sudo without a password", lambda: run.converge(Way(vault=False)))
    attempt("sudo with a password from now on", run.demand_password)
    attempt("site.yml", lambda: run.converge(first))
    for name, way in every.items():
        attempt(name, lambda way=way: expect(way, COMMANDS))
    with (HOME / "project" / "orchard" / "wsgi.py").open("a") as file:
        file.write("# Something to release.\n")
    attempt("other commands", lambda: expect(first, MORE_COMMANDS))

    def says(words: Sequence[str], way: Way, sentence: str) -> None:
        output = run.command(words, way, 2 if "vault" in sentence else 1)
        if sentence not in output:
            raise ReachError(f"{' '.join(words)} does not write {sentence!r}:\n{output}")

    wrong = Way(["--become-password-file", str(HOME / "wrong-password")], vault=False)
    for words in (["status"], ["manage", "--", "check"], ["maintenance", "status"]):
        attempt(f"a wrong password: {words[0]}", lambda w=words: says(w, wrong, "sudo refuses"))
    none = Way(vault=False)
    attempt("no password", lambda: says(["status"], none, "sudo needs a password"))
    locked = Way()  # and so is the vault
    attempt(
        "no password of the vault",
        lambda: says(["status"], locked, "needs the password of ansible-vault"),
    )
    return good


def main() -> int:
    """Prepare the lab, run everything; gives the exit status."""
    run = Run()
    try:
        run.prepare()
    except ReachError as error:
        run.say(f"WRONG: {error}")
        return 1
    return 0 if check(run) else 1


if __name__ == "__main__":
    sys.exit(main())
