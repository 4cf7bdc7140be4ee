"""An account at an SFTP server is tried, and nothing stays there."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from plugins.module_utils.backup_destination import sftp
from tests.unit.backup_destination.service import attempt


class SftpServer:
    """Stands for the programs of OpenSSH, and says what OpenSSH 9.2 says."""

    def __init__(self, *directories: str) -> None:
        """Have some directories in which may be written."""
        self.directories, self.may_delete = set(directories), True
        self.files: dict[str, bytes] = {}
        self.refused = ""
        self.ahead: float | None = 0  # seconds, of its clock
        self.df = (
            "        Size         Used        Avail       (root)    %Capacity\n"
            "   264212084     27656904     78734008    236555180          10%\n"
        )

    def run(self, argv: list[str], text: str = "") -> tuple[int, str]:
        """Run a program, as the module does."""
        if argv[0] == "ssh-keygen":
            return 0, "ssh-ed25519 AAAAnew root@vm"
        if argv[0] == "ssh-keyscan":
            comment = "# [h]:23 SSH-2.0-OpenSSH_9.2\n"
            return 0, f"{comment}[h]:23 ssh-rsa AAAArsa\n{comment}[h]:23 ssh-ed25519 AAAAshown\n"
        if self.refused:
            return 255, self.refused
        lines = [line.removeprefix("-") for line in text.splitlines()]
        return 0, "".join(f"sftp> -{line}\n{self.reply(*line.split())}" for line in lines)

    def reply(self, command: str, *words: str) -> str:
        """Do what one line of a batch says."""
        if words and words[0] == "-p":
            words = words[1:]
        name = words[-1].strip('"') if words else ""
        parent = name.rpartition("/")[0]
        match command:
            case "pwd":
                return "Remote working directory: /home/u1\n"
            case "mkdir" if name in self.directories or parent not in self.directories:
                return f'remote mkdir "{name}": Failure\n'
            case "mkdir":
                self.directories.add(name)
            case "put" if parent not in self.directories:
                return f'dest open "{name}": No such file or directory\n'
            case "put":
                self.files[name] = Path(words[0].strip('"')).read_bytes()
            case "get" if words[0].strip('"') not in self.files:
                return f"File {words[0]} not found.\n"
            case "get":
                Path(name).write_bytes(self.files[words[0].strip('"')])
                came = int(time.time() + self.ahead) if self.ahead is not None else 0
                os.utime(name, (came, came))
            case "rm" if not self.may_delete:
                return f'remote delete "{name}": Permission denied\n'
            case "rm":
                self.files.pop(name, None)
            case "ls":
                found = name in self.files
                return f"{name}\n" if found else f'Can\'t ls: "{name}" not found\n'
            case "df":
                return self.df
            case "rmdir" if not any(
                one.startswith(f"{name}/") for one in {*self.files, *self.directories}
            ):
                self.directories.discard(name)
        return ""

    def attempt(self, monkeypatch: pytest.MonkeyPatch) -> tuple[str, dict[str, Any]]:
        """Try it."""
        monkeypatch.setattr(sftp, "run", self.run)
        monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
        settings = {"to": "sftp", "host": "h", "user": "u1", "port": 23, "path": "/a/b/c"}
        return attempt({**settings, "host_key": "ssh-ed25519 AAAA"}, {"ssh_key": "-----BEGIN"})


def test_an_sftp_server_that_works_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    server = SftpServer("/a")
    assert server.attempt(monkeypatch) == (
        "",
        {"clock_skew": 0.0, "has_backups": False, "info_begins": "", "free_bytes": 80623624192},
    )
    assert server.directories == {"/a"}
    assert server.files == {}


def test_a_directory_that_was_there_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    server = SftpServer("/a", "/a/b", "/a/b/c")
    server.files["/a/b/c/database/backup/shop/backup.info"] = b"[backup]"
    server.df = "Server does not support statvfs@openssh.com extension\n"
    assert server.attempt(monkeypatch) == (
        "",
        {
            "clock_skew": 0.0,
            "has_backups": True,
            "info_begins": "W2JhY2t1cF0=",
            "free_bytes": None,
        },
    )
    assert server.directories == {"/a", "/a/b", "/a/b/c"}


def test_an_sftp_server_where_one_cannot_write(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SftpServer("/other").attempt(monkeypatch)[0] == (
        "The user u1 cannot write in /a/b/c at h:23 (No such file or directory). Write a `path` "
        "into `backup` in hosts.yml where that user may write (a login begins in /home/u1), or let "
        "the user write there, and see that the disk is not full."
    )


@pytest.mark.parametrize(
    ("ahead", "skew", "sentence"),
    [
        (30, 30, ""),
        (300, 300, "The clock of this machine is 300 s behind that of h:23. A restore"),
        (-300, -299, "The clock of this machine is 299 s ahead of that of h:23. A restore"),
        (None, None, ""),  # it tells no time
    ],
)
def test_an_sftp_server_s_clock_is_compared(
    monkeypatch: pytest.MonkeyPatch, ahead: float | None, skew: float | None, sentence: str
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_795_976_497.0)
    server = SftpServer("/a")
    server.ahead = ahead
    problem, seen = server.attempt(monkeypatch)
    assert (seen["clock_skew"], problem.partition(" finds")[0]) == (skew, sentence)
    assert server.files == {}


def test_an_sftp_server_where_one_cannot_delete(monkeypatch: pytest.MonkeyPatch) -> None:
    server = SftpServer("/a")
    server.may_delete = False
    found = server.attempt(monkeypatch)[0]
    (left,) = server.files
    assert found == (
        "The user u1 cannot delete in /a/b/c at h:23, so that old backups would stay for ever. Let "
        f"the user delete there; and delete {left} yourself."
    )


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (
            "u1@h: Permission denied (publickey,password).\nConnection closed.",
            "h:23 does not let the user u1 in with the SSH key of the backups. Add this line to "
            ".ssh/authorized_keys of that user there, or correct `user` of `backup` in hosts.yml: "
            "ssh-ed25519 AAAAnew espalier-backup",
        ),
        (
            "@@@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@@\n"
            "Host key verification failed.\nConnection closed",
            "h:23 does not show the key that is `host_key` of `backup` in hosts.yml. It shows "
            "ssh-ed25519 AAAAshown now. Compare that with what its provider says: if both are the "
            "same, write it as `host_key`; if not, somebody else answers there.",
        ),
        (
            "subsystem request failed on channel 0\nConnection closed",
            "h:23 lets the user u1 in, and offers no SFTP. Turn SFTP on there (`Subsystem sftp "
            "internal-sftp` in its sshd_config), or write another `host` into `backup` in "
            "hosts.yml.",
        ),
        (
            "ssh: connect to host h port 23: Connection refused\nConnection closed",
            "Nothing listens at h:23. Check `host` and `port` of `backup` in hosts.yml.",
        ),
        (
            "Connection timed out during banner exchange\nConnection closed",
            "h:23 does not answer within 15 s. Check `host` and `port` of `backup` in hosts.yml, "
            "and whether a firewall on the way lets this machine through.",
        ),
        (
            "Connection closed by 192.0.2.1 port 23\nConnection closed.",
            "There is no connection with h:23 (Connection closed by 192.0.2.1 port 23). Check "
            "`host` and `port` of `backup` in hosts.yml.",
        ),
    ],
)
def test_why_an_sftp_server_lets_nobody_in(
    monkeypatch: pytest.MonkeyPatch, refused: str, sentence: str
) -> None:
    server = SftpServer()
    server.refused = refused
    assert server.attempt(monkeypatch)[0] == sentence


def test_an_sftp_server_without_its_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert attempt({"to": "sftp"})[0] == (
        "This machine has no program `sftp`, which `to: sftp` of `backup` in hosts.yml needs. Run "
        "`apt install openssh-client` there."
    )


def test_an_ssh_key_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    server = SftpServer()
    monkeypatch.setattr(server, "run", lambda argv, text="": (255, 'Load key "…": invalid format'))
    assert server.attempt(monkeypatch)[0] == (
        "backup_ssh_key is no private key that OpenSSH reads, or has a passphrase. Write one "
        "without into .secrets/backup_ssh_key beside hosts.yml (in a vault: vault_backup_ssh_key); "
        "or remove it there, and the next run makes one."
    )


def test_a_program_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sftp, "SFTP_TIMEOUT", 0.2)
    argv = ["sh", "-c", "echo one; echo two >&2; exec sleep 60"]
    assert sftp.run(argv) == (-1, "one\ntwo\n\ntimed out")
