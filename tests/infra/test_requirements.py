"""Where requirements come from: an index and repositories that ask for a login or a key.

With the project of molecule/requirements.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from espalier.environment import plain_environment
from tests.infra.conftest import ROOT

testinfra_hosts = ["ansible://django"]

SETTINGS = "/etc/espalier/errands"
KNOWN_HOSTS = "/srv/errands/.cache/known_hosts"


@pytest.fixture(scope="module", autouse=True)
def _errands(project: str) -> None:
    """Skip what only the scenario's project can show."""
    if project != "errands":
        pytest.skip("needs the project of molecule/requirements")


@pytest.fixture
def secrets(inventory_path: str) -> dict[str, str]:
    """The login and a line of the key."""
    folder = Path(inventory_path)
    vault = yaml.safe_load((folder / "group_vars/all/vault.yml").read_text())
    key = (folder / ".secrets/deploy_key").read_text().splitlines()
    return {"netrc": vault["vault_errands_login"], "deploy_key": key[2]}


@contextmanager
def changed(host: Any, path: str, command: str) -> Iterator[None]:
    """Have a command change a file on the machine, named as $0 to it, and put it back."""
    host.check_output("cp -a %s /root/kept && sh -c %s %s", path, command, path)
    try:
        yield
    finally:
        host.check_output("cp -a /root/kept %s && rm /root/kept", path)


@pytest.fixture
def refused(inventory_path: str) -> Callable[[], str]:
    """Release with one requirement more, so that all are got anew; gives what is told of it."""
    more = json.dumps({"more_requirements": ["six"]})
    program = str(Path(sys.executable).with_name("espalier"))

    def release() -> str:
        done = subprocess.run(
            [program, "release", "-i", inventory_path, "--extra-vars", more],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env=plain_environment(),
        )
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stdout + done.stderr

    return release


def test_what_was_installed_is_used(site: Any) -> None:
    assert b"<body>index git ssh c<" in site.get("/")[1]


@pytest.mark.parametrize("name", ["netrc", "deploy_key"])
def test_the_login_is_for_root_alone(host: Any, name: str) -> None:
    with host.sudo():
        file = host.file(f"{SETTINGS}/build/{name}")
        assert (file.user, file.group, file.mode) == ("root", "root", 0o600)
        # Where versions before 0.13 had it, for the project's user too.
        assert not host.file(f"{SETTINGS}/{name}").exists
        # Nor is a build's copy left behind.
        assert host.check_output("ls /srv/errands/build") == ""


@pytest.mark.parametrize(
    "secret", [f"cut -d' ' -f6 {SETTINGS}/build/netrc", f"sed -n 3p {SETTINGS}/build/deploy_key"]
)
def test_the_login_is_in_no_release_log_or_cache(host: Any, secret: str) -> None:
    # Never in an argument: sudo writes those into the journal.
    with host.sudo():
        assert len(host.check_output(secret)) > 10
        found = host.run(f"{secret} | grep -rlF -f - /srv /var/log /run/systemd /tmp")
        assert found.rc == 1, found.stdout  # grep's status when it finds nothing
        journal = host.run(
            f"journalctl --no-pager --output=export > /root/journal; {secret} | "
            "grep -cF -f - /root/journal; rm /root/journal"
        )
        assert journal.stdout.strip() == "0"


@pytest.mark.breaks
@pytest.mark.parametrize(
    ("path", "command", "sentence"),
    [
        (
            f"{SETTINGS}/build/netrc",
            'sed -i "s/password .*/password wr0ng-one/" "$0"',
            "the repository http://127.0.0.1:8431/errands-git.git/ does not accept the login that",
        ),
        (
            f"{SETTINGS}/build/deploy_key",
            'ssh-keygen -q -t ed25519 -N "" -f /root/wrong && cat /root/wrong > "$0"; '
            "rm /root/wrong /root/wrong.pub",
            "127.0.0.1 does not accept the key of `deploy_key:`",
        ),
        (
            f"{SETTINGS}/build/deploy_key",
            'sed -i 3d "$0"',
            "`deploy_key:` in project.yml is no whole key of SSH",
        ),
        (
            KNOWN_HOSTS,
            # A key of the same kind, which is another one.
            'ssh-keygen -q -t ed25519 -N "" -f /root/wrong && '
            'sed -i "s#ssh-ed25519.*#$(cut -d" " -f1,2 /root/wrong.pub)#" "$0"; '
            "rm /root/wrong /root/wrong.pub",
            "127.0.0.1 shows another host key than at the first connection",
        ),
    ],
    ids=["password", "key", "part of a key", "host key"],
)
def test_what_is_wrong_is_told_and_not_shown(
    host: Any,
    refused: Callable[[], str],
    site: Any,
    secrets: dict[str, str],
    path: str,
    command: str,
    sentence: str,
) -> None:
    with changed(host, path, command):
        told = refused()
    assert sentence in told
    assert not [secret for secret in (*secrets.values(), "wr0ng-one") if secret in told]
    assert site.get("/")[0].status == 200
