"""How a release logs in where its requirements come from, and what is said when it cannot."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from espalier.wiring.logins import netrc
from espalier_machine.release.remotes import explain_remote, remote_environment

PROJECT = {
    "directory": "x",
    "index": ["https://ci:p%40ss@pypi.example.com/simple/"],
    "logins": {"git.example.com": "t0ken", "two.example.com": "me:a#b:c"},
}


@pytest.fixture
def machine(tmp_path: Path) -> Any:
    config = SimpleNamespace(file=tmp_path / "etc/release.json")
    (tmp_path / "etc/build").mkdir(parents=True)
    (tmp_path / "build").mkdir()
    return SimpleNamespace(
        config=config,
        cache=tmp_path / ".cache",
        build=tmp_path / "build",
        as_user=nullcontext,
        discard=shutil.rmtree,
    )


def test_netrc_has_a_line_for_each_host():
    assert netrc(PROJECT) == (
        "machine git.example.com login token password t0ken\n"
        "machine pypi.example.com login ci password p@ss\n"
        "machine two.example.com login me password a#b:c\n"
    )
    assert netrc({"directory": "x"}) == ""


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("https://git.example.com", "username=token\npassword=t0ken"),
        ("http://two.example.com:8080", "username=me\npassword=a#b:c"),
        ("https://other.example.com", ""),
    ],
)
def test_git_gets_the_login_of_its_host_alone(machine, url, answer):
    (machine.config.file.parent / "build/netrc").write_text(netrc(PROJECT))
    with remote_environment(machine, {}) as variables:
        assert not [value for value in variables.values() if "t0ken" in value]
        env = os.environ | variables | {"GIT_ASKPASS": "true", "HOME": str(machine.cache)}
        done = subprocess.run(
            ["git", "credential", "fill"], input=f"url={url}\n\n", env=env, text=True,
            capture_output=True, check=False,
        )  # fmt: skip
    found = [line for line in done.stdout.splitlines() if line.startswith(("username=", "passw"))]
    assert "\n".join(line for line in found if not line.endswith("=")) == answer


def test_uv_is_told_of_indexes_and_of_a_key_only_where_they_are(machine):
    with remote_environment(machine, {}) as plain:
        assert not plain.keys() & {"UV_INDEX", "NETRC"}
        assert " -i " not in plain["GIT_SSH_COMMAND"]
    (machine.config.file.parent / "build/deploy_key").touch()
    two = ["https://a.example/", "https://b.example/"]
    with remote_environment(machine, {"index": two}) as given:
        assert given["UV_INDEX"] == "https://a.example/ https://b.example/"
        assert "UV_INDEX_STRATEGY" not in given
        assert " -i " in given["GIT_SSH_COMMAND"]
    build = {"index": ["https://a.example/"], "index_of_lock": ["https://c.example/"]}
    with remote_environment(machine, build) as of_lock:
        assert of_lock["UV_INDEX"] == "https://a.example/ https://c.example/"
        assert of_lock["UV_INDEX_STRATEGY"] == "unsafe-best-match"


def test_a_build_has_the_logins_for_as_long_as_it_needs_them(machine):
    (machine.config.file.parent / "build/netrc").write_text("machine a login b password c\n")
    (machine.config.file.parent / "build/deploy_key").write_text("key\n")
    with pytest.raises(KeyError), remote_environment(machine, {}) as variables:
        handed = Path(variables["NETRC"])
        assert handed.parent.parent == machine.build
        assert handed.read_text() == "machine a login b password c\n"
        key = handed.with_name("deploy_key")
        assert variables["GIT_SSH_COMMAND"].endswith(f" -i {key}")
        assert [path.stat().st_mode & 0o777 for path in (handed, key)] == [0o600, 0o600]
        raise KeyError
    assert list(machine.build.iterdir()) == []


INDEX = (
    "hint: An index URL (https://pypi.example.com/simple/) could not be queried due to a lack of "
    "valid authentication credentials (401 Unauthorized)"
)
GIT = "fatal: could not read Username for 'https://git.example.com': terminal prompts disabled"
WRONG = "remote: denied\nfatal: Authentication failed for 'https://git.example.com/acme.git/'"
SSH = "git@git.example.com: Permission denied (publickey)."


@pytest.mark.parametrize(
    ("output", "without", "with_one"),
    [
        (INDEX, "the index https://pypi.example.com/simple/ asks for a login", "does not accept"),
        (GIT, '`logins: {git.example.com: "user:{{ vault_login }}"}`', "does not accept the login"),
        (WRONG, "the repository https://git.example.com/acme.git/ asks", "login that project.yml"),
        (SSH, "git.example.com wants a key of SSH: write `deploy_key:", "allow its public half"),
    ],
)
def test_a_missing_login_is_told_apart_from_a_wrong_one(machine, output, without, with_one):
    assert without in explain_remote(machine, output)
    (machine.config.file.parent / "build/netrc").write_text(netrc(PROJECT))
    (machine.config.file.parent / "build/deploy_key").touch()
    assert with_one in explain_remote(machine, output)
    assert explain_remote(machine, "error: No space left on device") == ""


BEGIN = """  cause: Git operation failed
  cause: process didn't exit successfully: `/usr/bin/git fetch --force --update-head-ok '{}' '+r:r'`
         --- stderr
"""
END = """fatal: Could not read from remote repository.

Please make sure you have the correct access rights
"""
BY_SSH = "ssh://git@git.example.com/acme.git"


@pytest.mark.parametrize(
    ("url", "printed", "words"),
    [
        (BY_SSH, "Host key verification failed.\n" + END, "git.example.com shows another host key"),
        (
            BY_SSH,
            "ssh: Could not resolve hostname git.example.com: Name or service not known\n" + END,
            f"the repository {BY_SSH} of a requirement cannot be read: Could not resolve hostname",
        ),
        (BY_SSH, "fatal: '/acme.git' does not appear to be a git repository\n" + END, "not appear"),
        (
            "https://git.example.com/acme.git",
            "fatal: couldn't find remote ref refs/tags/v9\nfatal: the remote end hung up\n",
            "cannot be read: couldn't find remote ref refs/tags/v9.",
        ),
        (
            BY_SSH,
            'Load key "/etc/k": error in libcrypto\ngit@git.example.com: Permission denied '
            "(publickey).\n",
            "`deploy_key:` in project.yml is no whole key",
        ),
    ],
)
def test_a_repository_that_cannot_be_read_is_told_with_the_reason(machine, url, printed, words):
    assert words in explain_remote(machine, BEGIN.format(url) + printed)
