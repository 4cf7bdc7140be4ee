"""A project in a git repository: mirrored here, then unpacked at one commit."""

from __future__ import annotations

import difflib
import functools
import os
import re
import subprocess
import tarfile
import tempfile
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from espalier.project.cache import mirrors, prune
from espalier.project.errors import ProjectError
from espalier.project.schema import Project
from espalier.project.source.process import Runner, run
from espalier.project.source.tree import Source, scan, sha256, walk
from espalier.project.words import last_line, listed, note, without_password


def fetch_git(project: Project, base_dir: Path, cache: Path, run: Runner, where: str) -> Source:
    """The files of `git:` at `version:`; the revision is the commit's id. See `fetch`."""
    key = f"{where}: project.git"
    url, login = git_login(_git_url(project.git, base_dir))
    run = functools.partial(run, environ=login)
    mirror = _mirror(cache, url)
    sha = _resolve(project, url, mirror, run, where)
    trees = mirror.with_suffix(".trees")
    tree = trees / sha
    if not tree.is_dir():
        _unpack_commit(mirror, sha, tree, run, key)
    os.utime(tree)
    prune(trees.iterdir())
    files = scan(tree, walk(tree, skip=False), key)
    notes = []
    if ".gitmodules" in {file.path for file in files}:
        notes.append(note("warning", "git submodules are not fetched", ".gitmodules"))
    if "filter=lfs" in Source(tree, (), "", "").read(".gitattributes"):
        notes.append(note("warning", "git LFS files may arrive as pointers", ".gitattributes"))
    return Source(tree, files, sha, f"git {without_password(project.git)}", tuple(notes))


def _git_url(value: str, base_dir: Path) -> str:
    """A path becomes absolute, a URL stays."""
    if "://" in value or re.match(r"[^/]+:", value):
        return value
    return os.path.normpath(base_dir / Path(value).expanduser())


def _mirror(cache: Path, url: str) -> Path:
    """The bare repository that mirrors a URL."""
    return cache / f"{sha256(url.encode())[:16]}.git"


def git_login(url: str) -> tuple[str, dict[str, str]]:
    """Take user:password, or a token alone, out of an https URL, into variables.

    Other users of this machine see the arguments of a command, and not its environment.
    """
    parts = urllib.parse.urlsplit(url) if re.match("https?://", url) else None
    if not parts or parts.username is None:
        return url, {}
    host = parts.netloc.rpartition("@")[2]
    answer = 'echo "username=$ESPALIER_GIT_USER"; echo "password=$ESPALIER_GIT_PASSWORD"'
    return parts._replace(netloc=host).geturl(), {
        "GIT_CONFIG_COUNT": "2",
        # Only for this host: a redirect elsewhere must not get the password.
        "GIT_CONFIG_KEY_0": f"credential.{parts.scheme}://{host}.helper",
        "GIT_CONFIG_VALUE_0": f"!f() {{ {answer}; }}; f",
        # A helper of the person's own comes first, and is to know whose password it looks for.
        "GIT_CONFIG_KEY_1": f"credential.{parts.scheme}://{host}.username",
        "GIT_CONFIG_VALUE_1": urllib.parse.unquote(parts.username),
        "ESPALIER_GIT_USER": urllib.parse.unquote(parts.username),
        "ESPALIER_GIT_PASSWORD": urllib.parse.unquote(parts.password or ""),
    }


def commits(
    project: Project, base_dir: Path, cache_dir: Path, before: str, after: str, run: Runner = run
) -> list[str]:
    """The commits that one release has and another lacks, the newest first, a line each.

    Args:
        project: from `schema.check`; only one with `git` has commits, others give none.
        base_dir: what a relative path in it is relative to.
        cache_dir: the cache of `fetch`, where the mirror is.
        before: revision of the live release.
        after: revision of the release that is wanted.
    """
    if not project.git or not before:
        return []
    url, _ = git_login(_git_url(project.git, base_dir))
    mirror = _mirror(mirrors(cache_dir), url)
    argv = ["git", f"--git-dir={mirror}", "log", "--format=%h %s", "-n", "50", f"{before}..{after}"]
    result = run(argv)
    return result.stdout.splitlines() if result.returncode == 0 else []


def _resolve(project: Project, url: str, mirror: Path, run: Runner, where: str) -> str:
    """The commit that `version` names, fetched into the mirror. One ls-remote when it is there."""
    version = project.version

    def has(commit: str) -> str:
        if not mirror.is_dir():
            return ""
        argv = ["git", f"--git-dir={mirror}", "rev-parse", "--verify", "-q", f"{commit}^{{commit}}"]
        return run(argv).stdout.strip()

    # A whole commit id never changes its meaning: no need to ask the remote.
    if re.fullmatch(r"[0-9a-f]{40}", version) and has(version):
        return version
    result = run(["git", "ls-remote", "--", url], timeout=60)
    if result.returncode:
        raise ProjectError(_git_sentence(project.git, url, result, where))
    lines = (line.partition("\t") for line in result.stdout.splitlines() if "\t" in line)
    refs = {ref: commit for commit, _, ref in lines}
    if not refs:
        raise ProjectError(
            f"{where}: project.git: {without_password(project.git)} has no commit yet: push the "
            "project there first."
        )
    wanted = (
        [f"refs/heads/{version}", f"refs/tags/{version}^{{}}", f"refs/tags/{version}"]
        if version
        else ["HEAD"]
    )
    sha = next((refs[ref] for ref in wanted if ref in refs), "")
    is_commit = re.fullmatch(r"[0-9a-f]{7,40}", version)
    if (sha and not has(sha)) or (not sha and is_commit and not has(version)):
        _update_mirror(project, url, mirror, run, where)
    commit = has(sha or version) if sha or is_commit else ""
    if not commit:
        raise ProjectError(_no_version(project, refs, where))
    return commit


def _update_mirror(project: Project, url: str, mirror: Path, run: Runner, where: str) -> None:
    if not mirror.is_dir():
        run(["git", "init", "-q", "--bare", str(mirror)])
    # Branches and tags only: a plain mirror of a forge also brings every pull request.
    argv = [
        "git",
        f"--git-dir={mirror}",
        "fetch",
        "-q",
        "--prune",
        "--force",
        "--no-tags",
        "--",
        url,
    ]
    result = run([*argv, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"], timeout=900)
    if result.returncode:
        raise ProjectError(_git_sentence(project.git, url, result, where))


def _git_sentence(
    written: str, url: str, result: subprocess.CompletedProcess[str], where: str
) -> str:
    public = without_password(written)
    error = without_password(result.stderr.replace(url, public))
    start = f"{where}: project.git: {public}"
    causes = (
        (r"is not installed", "needs git on this machine: install git."),
        (
            r"Host key verification failed",
            "is behind SSH, and this machine does not know the host's key yet: run `ssh` to that "
            "host once, compare the fingerprint with the one that its provider publishes, and "
            "accept it.",
        ),
        (
            r"could not read (Username|Password)|Authentication failed|Permission denied|denied to",
            "does not exist, or needs a login: check the URL, or use one that this machine may "
            "read without a question (an SSH key in the agent, or a token in the URL).",
        ),
        (
            r"not found|does not exist|not appear to be a git repository",
            "is not a git repository: check the spelling.",
        ),
        (
            r"resolve host|unable to access|timed out|refused|unreachable|Connection",
            f"cannot be reached from this machine ({last_line(error)}): check the host name and "
            "the network.",
        ),
    )
    cause = next((text for pattern, text in causes if re.search(pattern, error, re.I)), None)
    return f"{start} {cause or f'cannot be read by git: {last_line(error)}'}"


def _no_version(project: Project, refs: Mapping[str, str], where: str) -> str:
    names = [
        re.sub(r"^refs/(heads|tags)/", "", ref)
        for ref in refs
        if ref.startswith(("refs/heads/", "refs/tags/")) and not ref.endswith("^{}")
    ]
    url = without_password(project.git)
    if not project.version:
        return (
            f"{where}: project.version: {url} has no default branch: write one of "
            f"{listed(names[:8])}."
        )
    near = difflib.get_close_matches(project.version, names, n=3, cutoff=0.5)
    hint = f"did you mean {listed(near)}?" if near else f"there are {listed(names[:8])}."
    return (
        f'{where}: project.version: {url} has no branch, tag or commit "{project.version}": {hint}'
    )


def _unpack_commit(mirror: Path, sha: str, tree: Path, run: Runner, key: str) -> None:
    tree.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=tree.parent) as directory:
        archive = Path(directory, "tree.tar")
        result = run(
            ["git", f"--git-dir={mirror}", "archive", "-o", str(archive), sha], timeout=300
        )
        if result.returncode:
            raise ProjectError(f"{key}: git cannot unpack {sha}: {last_line(result.stderr)}")
        with tarfile.open(archive) as tar:
            # The first releases of Python 3.11 lack the filter; a git tree stays inside anyway.
            if hasattr(tarfile, "tar_filter"):
                tar.extraction_filter = tarfile.tar_filter
            tar.extractall(Path(directory, "tree"))
        Path(directory, "tree").mkdir(exist_ok=True)
        os.rename(Path(directory, "tree"), tree)
