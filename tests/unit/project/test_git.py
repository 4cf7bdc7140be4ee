"""A project in a git repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from espalier.project.errors import ProjectError
from espalier.project.schema import check
from espalier.project.source import process
from espalier.project.source.fetch import fetch
from espalier.project.source.git import commits, git_login
from tests.unit.project.samples import PLAIN, git, repository, write

# How git ends each failure of SSH.
OF_SSH = (
    "fatal: Could not read from remote repository.\n\nPlease make sure you have the correct access "
    "rights\nand the repository exists.\n"
)


def git_source(tmp_path: Path, run=process.run, **values: object):
    checked = check({"git": str(tmp_path / "site"), "name": "orchard", **values})
    return fetch(checked, tmp_path, tmp_path / "cache", run)


def test_git_branch_tag_and_commit(tmp_path):
    root = repository(tmp_path / "site", PLAIN)
    first = git("rev-parse", "HEAD", cwd=root)
    git("tag", "-am", "v1", "v1", cwd=root)
    git("checkout", "-qb", "feature/x", cwd=root)
    write(root, {"new.py": "x"})
    git("add", "-A", cwd=root)
    git("commit", "-qm", "two", cwd=root)
    second = git("rev-parse", "HEAD", cwd=root)
    assert git_source(tmp_path, version="main").revision == first
    assert git_source(tmp_path, version="v1").revision == first
    assert git_source(tmp_path, version="feature/x").revision == second
    assert git_source(tmp_path, version=first[:8]).revision == first
    assert git_source(tmp_path, version=second).revision == second
    source = git_source(tmp_path)
    assert source.revision == second
    assert source.paths == {*PLAIN, "new.py"}
    assert source.description == f"git {tmp_path}/site"


def test_commits_between_two_releases(tmp_path):
    root = repository(tmp_path / "site", PLAIN)
    first = git("rev-parse", "HEAD", cwd=root)
    for title in ("Add pears", "Add plums"):
        git("commit", "-qm", title, "--allow-empty", cwd=root)
    second = git_source(tmp_path).revision
    checked = check({"git": str(root), "name": "orchard"})

    def between(before: str, after: str) -> list[str]:
        lines = commits(checked, tmp_path, tmp_path / "cache", before, after)
        return [line.split(" ", 1)[1] for line in lines]

    assert between(first, second) == ["Add plums", "Add pears"]
    assert between(second, first) == []  # a rollback adds none
    assert between("", second) == []
    directory = check({"directory": str(root), "name": "orchard"})
    assert commits(directory, tmp_path, tmp_path / "cache", first, second) == []


def test_git_follows_a_branch_that_was_rewritten(tmp_path):
    root = repository(tmp_path / "site", PLAIN)
    before = git_source(tmp_path).revision
    git("commit", "-q", "--amend", "-m", "other", cwd=root)
    after = git_source(tmp_path).revision
    assert after == git("rev-parse", "HEAD", cwd=root) != before


def test_git_again_asks_the_remote_once_and_a_commit_id_never(tmp_path):
    root = repository(tmp_path / "site", PLAIN)
    sha = git("rev-parse", "HEAD", cwd=root)
    git_source(tmp_path)
    calls: list[str] = []

    def counting(argv, **options):
        calls.append(argv[2] if argv[1].startswith("--git-dir") else argv[1])
        return process.run(argv, **options)

    git_source(tmp_path, counting)
    assert calls == ["ls-remote", "rev-parse", "rev-parse"]
    shutil.rmtree(root)
    assert git_source(tmp_path, version=sha).revision == sha


def test_git_relative_path(tmp_path):
    repository(tmp_path / "site", PLAIN)
    (tmp_path / "kit").mkdir()
    checked = check({"git": "../site"})
    source = fetch(checked, tmp_path / "kit", tmp_path / "cache")
    assert source.paths == set(PLAIN)
    assert source.description == "git ../site"


def test_git_unknown_version_names_near_ones(tmp_path):
    root = repository(tmp_path / "site", PLAIN)
    git("tag", "v1.20", cwd=root)
    with pytest.raises(ProjectError, match=r'"v1.21": did you mean `v1.20`'):
        git_source(tmp_path, version="v1.21")
    with pytest.raises(ProjectError, match=r'"zzz": there are `main`, `v1.20`'):
        git_source(tmp_path, version="zzz")
    with pytest.raises(ProjectError, match='no branch, tag or commit "abcdef12"'):
        git_source(tmp_path, version="abcdef12")


def test_git_nothing_there(tmp_path):
    with pytest.raises(ProjectError, match="site is not a git repository: check the spelling"):
        git_source(tmp_path)
    (tmp_path / "site").mkdir()
    git("init", "-q", ".", cwd=tmp_path / "site")
    with pytest.raises(ProjectError, match="has no commit yet"):
        git_source(tmp_path)


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (128, "fatal: could not read Username for 'https://h.example'", "needs a login"),
        (128, "fatal: could not read Password for 'https://hunter2@h.example'", "needs a login"),
        (128, f"Host key verification failed.\n{OF_SSH}", "does not know the host's key yet"),
        (128, f"ssh: nobody listens\n{OF_SSH}", "cannot be read by git: ssh: nobody listens"),
        (128, "fatal: unable to access: Could not resolve host: h.example", "cannot be reached"),
        (124, "timed out after 60 s", "cannot be reached from this machine"),
        (127, "git is not installed", "install git"),
        (128, "fatal: something new", "cannot be read by git: something new"),
    ],
)
def test_git_failures_are_sentences_without_the_password(tmp_path, status, error, sentence):
    def failing(argv, **options):
        return subprocess.CompletedProcess(argv, status, "", error)

    checked = check({"git": "https://me:hunter2@h.example/shop.git"})
    with pytest.raises(ProjectError) as caught:
        fetch(checked, tmp_path, tmp_path / "cache", failing)
    assert sentence in str(caught.value)
    assert "https://h.example/shop.git" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_git_password_is_in_no_argument_and_goes_to_its_host_only(tmp_path):
    arguments: list[str] = []

    def failing(argv, **options):
        arguments.extend(argv)
        return subprocess.CompletedProcess(argv, 1, "", "")

    url = "https://me:hunter%212@h.example/shop.git"
    with pytest.raises(ProjectError):
        fetch(check({"git": url}), tmp_path, tmp_path / "cache", failing)
    assert "hunter" not in " ".join(arguments)
    public, login = git_login(url)
    assert public == "https://h.example/shop.git"
    for host, answered in [("h.example", True), ("evil.example", False)]:
        done = subprocess.run(
            ["git", "credential", "fill"],
            env=os.environ | login | {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "false"},
            input=f"protocol=https\nhost={host}\n\n",
            capture_output=True,
            text=True,
        )
        assert ("password=hunter!2" in done.stdout) is answered


@pytest.mark.parametrize("written", ["hunter2", "you:p@sshunter2"])
def test_git_token_without_a_password_is_one_too(tmp_path, written):
    arguments: list[str] = []

    def failing(argv, **options):
        arguments.extend(argv)
        return subprocess.CompletedProcess(argv, 128, "", f"fatal: {argv[-1]}: no pears")

    with pytest.raises(ProjectError) as caught:
        url = f"https://{written}@h.example/shop.git"
        fetch(check({"git": url}), tmp_path, tmp_path / "cache", failing)
    assert "hunter2" not in " ".join(arguments)
    assert "hunter2" not in str(caught.value)
    done = subprocess.run(
        ["git", "credential", "fill"],
        env=os.environ | git_login(f"https://{written}@h.example/shop.git")[1],
        input="protocol=https\nhost=h.example\n\n",
        capture_output=True,
        text=True,
    )
    assert "hunter2" in done.stdout


def test_git_warns_of_submodules_and_lfs(tmp_path):
    files = {".gitmodules": "", ".gitattributes": "*.psd filter=lfs diff=lfs\n"}
    repository(tmp_path / "site", PLAIN | files)
    notes = "\n".join(git_source(tmp_path).notes)
    assert "git submodules are not fetched" in notes
    assert "git LFS files" in notes


def test_git_cannot_ask_on_the_terminal():
    # A session of its own has no terminal; ssh would ask there for a host's key or a passphrase.
    done = process.run([sys.executable, "-c", "import os; print(os.getsid(0))"])
    assert int(done.stdout) != os.getsid(0)
