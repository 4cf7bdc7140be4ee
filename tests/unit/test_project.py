"""Any Django project on the controller: plugins/module_utils/project.py and its action plugin."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "plugins" / "module_utils" / "project.py"


def _load():
    spec = importlib.util.spec_from_file_location("espalier_project", LIBRARY)
    module = sys.modules["espalier_project"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


project = _load()

MANAGE = """\
#!/usr/bin/env python
import os, sys

def main():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)

main()
"""
SETTINGS = (
    'INSTALLED_APPS = ["django.contrib.admin"]\nWSGI_APPLICATION = "mysite.wsgi.application"\n'
)
WSGI = "from django.core.wsgi import get_wsgi_application\napplication = get_wsgi_application()\n"
PLAIN = {
    "manage.py": MANAGE,
    "mysite/__init__.py": "",
    "mysite/settings.py": SETTINGS,
    "mysite/wsgi.py": WSGI,
    "requirements.txt": "Django==5.2.19\n",
}


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@pytest.fixture(scope="session")
def overlay(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("overlay")
    files = {"__init__.py": "", "settings.py": "X = 1\n", "tests/test_x.py": "", "x.txt": ""}
    write(root / "espalier_overlay", files)
    return root


def git(*arguments: str, cwd: Path) -> str:
    environ = os.environ | {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.com",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.com",
    }
    return subprocess.run(
        ["git", *arguments], cwd=cwd, env=environ, check=True, capture_output=True, text=True
    ).stdout.strip()


def repository(root: Path, files: dict[str, str]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    git("init", "-q", "-b", "main", ".", cwd=root)
    write(root, files)
    git("add", "-A", cwd=root)
    git("commit", "-qm", "one", cwd=root)
    return root


def refusal(values: object) -> str:
    with pytest.raises(project.ProjectError) as caught:
        project.check(values)
    return str(caught.value)


def fetched(root: Path, **values: object):
    checked = project.check({"directory": str(root), "name": "orchard", **values})
    return checked, project.fetch(checked, root, root.parent / "cache")


def detected(root: Path, files: dict[str, str | None], **values: object):
    """Detection on PLAIN changed by `files`; None takes a file away."""
    merged = {name: text for name, text in (PLAIN | files).items() if text is not None}
    return project.detect(*fetched(write(root / "site", merged), **values))


def undetected(root: Path, files: dict[str, str | None], **values: object) -> str:
    with pytest.raises(project.ProjectError) as caught:
        detected(root, files, **values)
    return str(caught.value)


# ------------------------------------------------------------------------------------------ check


def test_defaults():
    checked = project.check({"directory": "../orchard", "settings": None})
    assert checked == project.Project(
        name="orchard",
        directory="../orchard",
        path=None,
        static_url="/static/",
        media_url="/media/",
        overlay=True,
        upload_limit_mb=25,
    )


def test_everything_stated():
    checked = project.check(
        {
            "name": "shop",
            "git": "https://git.example.com/shop.git",
            "version": "v1.2",
            "path": "backend/",
            "domains": ["Shop.example.com", "203.0.113.10", "[2001:DB8::1]"],
            "settings": "shop.settings.production",
            "application": "shop.asgi:application",
            "requirements": "requirements/prod.txt",
            "extra_requirements": ["django-storages[s3]", "celery==5.5.3"],
            "packages": ["libpango-1.0-0"],
            "apps": ["django.contrib.postgres"],
            "environment": {"A": "x=1", "WORKERS": 3, "FLAG": True},
            "static_url": "/assets/",
            "media_url": "/files/up/",
            "overlay": False,
            "writable": ["/var/lib/shop/"],
            "upload_limit_mb": 100,
            "microcache": [{"path": "/", "seconds": 1}, {"path": "/feed.xml", "seconds": 3600}],
        }
    )
    assert checked.microcache == (
        {"path": "/", "seconds": 1},
        {"path": "/feed.xml", "seconds": 3600},
    )
    assert checked.domains == ("shop.example.com", "203.0.113.10", "2001:db8::1")
    assert checked.environment == {"A": "x=1", "WORKERS": "3", "FLAG": "True"}
    assert checked.writable == ("/var/lib/shop",)
    assert checked.path == "backend"
    assert "x=1" not in repr(checked)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ({"directory": "/home/me/My-Shop/"}, "my_shop"),
        ({"git": "git@host.example.com:me/Shop2.git"}, "shop2"),
        ({"git": "https://host.example.com/me/shop/"}, "shop"),
        ({"package": "django-wiki[all]"}, "django_wiki"),
    ],
)
def test_name_comes_from_the_source(source, name):
    assert project.check(source).name == name


D = {"directory": "x"}
REFUSALS = [
    (None, "`project` must be a dictionary"),
    ({}, "does not say where the code is: write exactly one of `directory:`"),
    ({"directory": "x", "git": "y"}, "`project` has `directory`, `git`: write exactly one"),
    (
        {**D, "domain": ["a.example"]},
        "project.domain is not a key of `project`: did you mean `domains`?",
    ),
    (
        {**D, "zzzzzz": 1},
        "project.zzzzzz is not a key of `project`: the keys are `name`, `directory`",
    ),
    ({"directory": 3}, "project.directory: YAML reads 3 as a number: put it in quotes"),
    ({"directory": ""}, "project.directory: is empty: give it a value or remove the key"),
    ({"directory": ["x"]}, "project.directory: must be text, and is a list"),
    ({"directory": "a\nb"}, "project.directory: has a line break"),
    ({"directory": ".."}, "project.name: none found: write `name:`"),
    ({"directory": "backup"}, '"backup", the name made from backup, cannot be used: write `name:`'),
    (
        {"git": "https://me:hunter2@h.example/mail.git"},
        "made from https://h.example/mail.git, cannot",
    ),
    ({**D, "name": "Shop"}, 'project.name: "Shop" cannot name a user, a database and services'),
    ({**D, "name": "www-data"}, 'project.name: "www-data" cannot name a user'),
    ({**D, "name": "a" * 32}, "at most 30 lower-case letters"),
    *[
        ({**D, "name": name}, f'"{name}" already means something to Debian')
        for name in ("root", "postgres", "nginx", "daemon", "redis", "pgbouncer", "pg_x")
    ],
    ({**D, "version": "main"}, "project.version has no meaning with `directory:`"),
    ({"package": "x", "path": "y"}, "project.path has no meaning with `package:`"),
    ({"package": "x", "requirements": "y"}, "project.requirements has no meaning with `package:`"),
    ({"package": "x", "version": ">=2"}, '">=2" is not one exact version of a package'),
    (
        {"package": "x", "version": 1.1},
        "project.version: YAML reads 1.1 as a number: put it in quotes",
    ),
    ({"package": "pretix==1.2"}, 'write `package: pretix`, `version: "1.2"`'),
    ({"package": "a b"}, '"a b" is not the name of a package on the Python index'),
    ({"git": "-x"}, "it starts with a dash"),
    ({"git": "x", "version": "-q"}, '"-q" is neither a branch, a tag, a commit nor'),
    ({**D, "path": "../x"}, '"../x" must be a path inside the project'),
    ({**D, "path": "/x"}, '"/x" must be a path inside the project'),
    ({**D, "path": "backend/manage.py"}, "write the directory that holds it: backend"),
    ({**D, "domains": "a.example"}, "project.domains: must be a list, and is a text"),
    (
        {**D, "domains": ["https://a.example/x"]},
        "has a scheme: write the host name alone: a.example",
    ),
    ({**D, "domains": ["a.example:80"]}, "has a port: write the host name alone: a.example"),
    ({**D, "domains": ["[::1]:80"]}, "has a port: write the host name alone: [::1]"),
    ({**D, "domains": ["a.example/x"]}, "has a path: write the host name alone: a.example"),
    ({**D, "domains": ["*.a.example"]}, "stands for many names"),
    ({**D, "domains": ["bücher.example"]}, "write its ASCII form: xn--bcher-kva.example"),
    ({**D, "domains": ["a_b.example"]}, "is neither a host name nor an IP address"),
    ({**D, "domains": ["300.1.1.1"]}, "is neither a host name nor an IP address"),
    (
        {**D, "settings": "mysite/settings.py"},
        "is not a Python module with dots: write mysite.settings",
    ),
    ({**D, "settings": "mysite.settings.py"}, "is a file, not a module: write mysite.settings"),
    ({**D, "settings": "a b"}, '"a b" is not a Python module with dots, such as mysite.settings'),
    ({**D, "application": "m.wsgi.application"}, "write m.wsgi:application"),
    ({**D, "application": "m.wsgi"}, "write m.wsgi:application"),
    ({**D, "application": "m wsgi"}, "is not module:name"),
    ({**D, "requirements": "/r.txt"}, '"/r.txt" must be a path inside the project'),
    ({**D, "extra_requirements": ["-r x"]}, '"-r x" is not a requirement'),
    ({**D, "extra_requirements": "x"}, "must be a list"),
    ({**D, "packages": ["Lib X"]}, '"Lib X" is not the name of a Debian package'),
    ({**D, "apps": ["a-b"]}, '"a-b" is not an app\'s Python name'),
    ({**D, "environment": ["A=1"]}, "project.environment: must be a dictionary, and is a list"),
    ({**D, "environment": {"A-B": "1"}}, '"A-B" is not the name of an environment variable'),
    ({**D, "environment": {"A": "1\n2"}}, "A has a line break, which an environment file cannot"),
    ({**D, "environment": {"A": None}}, 'it is a missing value: write A: ""'),
    (
        {**D, "environment": {"A": [1]}},
        "A must be text, a whole number, true or false; it is a list",
    ),
    ({**D, "environment": {"A": 1.5}}, 'put it in quotes, A: "1.5"'),
    ({**D, "environment": {"DJANGO_SETTINGS_MODULE": "x"}}, "write `settings:` instead"),
    ({**D, "environment": {"PYTHONPATH": "x"}}, "write `path:` to say where manage.py is"),
    (
        {**D, "environment": {"ESPALIER_X": "x"}},
        "names that start with ESPALIER_ belong to the kit",
    ),
    ({**D, "static_url": "static"}, "starts and ends with a slash: write /static/"),
    ({**D, "static_url": "/"}, "starts and ends with a slash: write /static/"),
    ({**D, "static_url": "/a/../b/"}, "starts and ends with a slash"),
    ({**D, "media_url": "https://cdn.example.com/"}, "is on another site"),
    ({**D, "media_url": "/static/up/"}, "(/static/) and project.media_url (/static/up/) overlap"),
    ({**D, "media_s3": "orchard"}, "project.media_s3: must be a dictionary; write for example"),
    ({**D, "media_s3": {"region": "eu-1"}}, "lacks the `bucket`"),
    ({**D, "media_s3": {"bucket": "b", "secret_key": "x"}}, "set vault_s3_secret_key in the"),
    ({**D, "media_s3": {"bucket": "b", "endpoint_url": "s3"}}, "must start with https:// or"),
    ({**D, "overlay": "yes"}, "project.overlay: must be true or false, and is a text"),
    ({**D, "writable": ["x"]}, '"x" is not an absolute path'),
    ({**D, "writable": ["/a/../etc"]}, '"/a/../etc" is not an absolute path'),
    ({**D, "writable": ["/etc/x"]}, '"/etc/x" belongs to the system'),
    ({**D, "server": "gunicron"}, "did you mean `gunicorn`?"),
    ({**D, "server": "apache"}, "write one of `gunicorn`, `uvicorn`"),
    ({**D, "processes": ["x"]}, "must be a dictionary"),
    ({**D, "processes": {"web": "x"}}, "web is there already"),
    ({**D, "processes": {"Mailer": "x"}}, "is not a name such as mailer"),
    ({**D, "processes": {"mailer": {"comand": "x"}}}, "did you mean `command`?"),
    ({**D, "processes": {"mailer": {"count": 2}}}, "mailer: lacks `command`"),
    ({**D, "processes": {"mailer": {"command": "x", "count": 0}}}, "from 1 to 100, not 0"),
    (
        {**D, "processes": {"beat": {"command": "x", "count": 2, "single": True}}},
        "leave one of them out",
    ),
    ({**D, "schedule": {"tidy": {"command": "x"}}}, "tidy: lacks `when`"),
    ({**D, "schedule": {"tidy": "x"}}, "tidy: must be a dictionary"),
    ({**D, "hooks": {"before_migration": ["x"]}}, "did you mean `before_migrate`?"),
    ({**D, "hooks": {"after_switch": "x"}}, "after_switch must be a list"),
    ({**D, "upload_limit_mb": "25"}, "must be a whole number of megabytes"),
    ({**D, "upload_limit_mb": True}, "must be a whole number of megabytes"),
    ({**D, "upload_limit_mb": 0}, "must be a whole number of megabytes"),
    ({**D, "microcache": {"/guide/": 10}}, "must be a list, and is a dictionary: write for exam"),
    ({**D, "microcache": ["/guide/"]}, "each entry must be a dictionary, and one is a text"),
    ({**D, "microcache": [{"path": "/a/"}]}, "an entry lacks `seconds`: write for example [{path"),
    (
        {**D, "microcache": [{"path": "/a/", "second": 1}]},
        "project.microcache: second is not a key of an entry: did you mean `seconds`?",
    ),
    ({**D, "microcache": [{"path": "guide", "seconds": 1}]}, '"guide" is not the beginning of an'),
    ({**D, "microcache": [{"path": "/a/*", "seconds": 1}]}, '"/a/*" is not the beginning of an'),
    ({**D, "microcache": [{"path": "/../", "seconds": 1}]}, '"/../" is not the beginning of an'),
    ({**D, "microcache": [{"path": "/a/", "seconds": 0}]}, "must be a whole number from 1 to 3600"),
    ({**D, "microcache": [{"path": "/a/", "seconds": "9"}]}, "a whole number from 1 to 3600, not"),
    ({**D, "microcache": [{"path": "/-/ready", "seconds": 1}]}, "holds the kit's health pages"),
    ({**D, "microcache": [{"path": "/media/x", "seconds": 1}]}, "/media/x are files, which nginx"),
    ({**D, "microcache": [{"path": "/a/", "seconds": 1}] * 2}, "/a/ is there twice"),
]


@pytest.mark.parametrize(("values", "sentence"), REFUSALS, ids=lambda v: str(v)[:50])
def test_refusals_name_the_file_and_what_to_write(values, sentence):
    said = refusal(values)
    assert sentence in said
    assert said.startswith("group_vars/all/project.yml: ")


# ------------------------------------------------------------------------------- fetch: directory


def test_directory_without_git_leaves_out_what_is_not_the_project(tmp_path):
    junk = {
        "__pycache__/a.pyc": "",
        "a.pyc": "",
        "node_modules/x/manage.py": "",
        "env/pyvenv.cfg": "",
        "env/lib/django.py": "",
        ".git-not/x": "kept",
        ".env": "SECRET=1",
        "db.sqlite3": "data",
    }
    _, source = fetched(write(tmp_path / "site", PLAIN | junk))
    assert [file.path for file in source.files] == sorted(
        [*PLAIN, ".git-not/x", ".env", "db.sqlite3"]
    )
    assert source.description == f"directory {tmp_path}/site"


def test_directory_follows_gitignore(tmp_path):
    root = repository(tmp_path / "site", PLAIN | {".gitignore": ".env\nmedia/\n", "gone.txt": ""})
    (root / "gone.txt").unlink()
    write(root, {".env": "S=1", "media/a.jpg": "", "new.py": "", "venv/pyvenv.cfg": ""})
    os.symlink("/usr/bin", root / "venv" / "bin")
    _, source = fetched(root)
    assert source.paths == {*PLAIN, ".gitignore", "new.py"}


def test_directory_inside_a_repository_takes_only_itself(tmp_path):
    root = repository(tmp_path / "all", {"other.txt": "", "site/manage.py": "x"})
    _, source = fetched(root / "site")
    assert source.paths == {"manage.py"}


def test_directory_ignored_by_the_repository_around_it(tmp_path):
    root = repository(tmp_path / "all", {".gitignore": "site/\n"})
    _, source = fetched(write(root / "site", {"manage.py": "x"}))
    assert source.paths == {"manage.py"}


def test_directory_takes_the_files_of_a_submodule(tmp_path):
    inner = repository(tmp_path / "inner", {"lib.py": "x"})
    root = repository(tmp_path / "site", PLAIN)
    git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "sub", cwd=root)
    _, source = fetched(root)
    assert source.paths == {*PLAIN, ".gitmodules", "sub/lib.py"}


def test_relative_directory_is_relative_to_the_base(tmp_path):
    write(tmp_path / "orchard", PLAIN)
    checked = project.check({"directory": "../orchard"})
    source = project.fetch(checked, tmp_path / "kit", tmp_path / "cache")
    assert source.tree == tmp_path / "orchard"


def test_missing_and_empty_directories(tmp_path):
    with pytest.raises(project.ProjectError, match=r"nowhere does not exist \(looked at "):
        fetched(tmp_path / "nowhere")
    write(tmp_path, {"file": ""})
    with pytest.raises(project.ProjectError, match="file is a file"):
        fetched(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    with pytest.raises(project.ProjectError, match="is empty: write the directory"):
        fetched(tmp_path / "empty")


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "mysite/deep/../../../x"])
def test_links_that_leave_the_project_are_refused(tmp_path, target):
    root = write(tmp_path / "site", PLAIN)
    os.symlink(target, root / "leak")
    with pytest.raises(project.ProjectError, match=r"leak is a link to .*, outside the project"):
        fetched(root)


def test_a_link_that_leaves_through_another_link_is_refused(tmp_path):
    root = write(tmp_path / "site", {"a/b/x": ""})
    os.symlink("../..", root / "a" / "b" / "up")
    os.symlink("a/b/up/../secret", root / "leak")
    with pytest.raises(project.ProjectError, match="leak is a link"):
        fetched(root)


def test_links_inside_are_kept(tmp_path, overlay):
    root = write(tmp_path / "site", PLAIN)
    os.symlink("mysite", root / "alias")
    checked, source = fetched(root)
    found = project.detect(checked, source)
    archive = project.build(checked, source, found, overlay, {}, tmp_path / "out")
    with tarfile.open(archive.path) as tar:
        assert tar.getmember("code/alias").linkname == "mysite"


def test_gitignore_without_git_is_said(tmp_path):
    notes = detected(tmp_path, {".gitignore": "x"}).notes
    assert any(".gitignore is not followed" in line for line in notes)


# ------------------------------------------------------------------------------------- fetch: git


def git_source(tmp_path: Path, run=project.run, **values: object):
    checked = project.check({"git": str(tmp_path / "site"), "name": "orchard", **values})
    return project.fetch(checked, tmp_path, tmp_path / "cache", run)


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
    checked = project.check({"git": str(root), "name": "orchard"})

    def between(before: str, after: str) -> list[str]:
        lines = project.commits(checked, tmp_path, tmp_path / "cache", before, after)
        return [line.split(" ", 1)[1] for line in lines]

    assert between(first, second) == ["Add plums", "Add pears"]
    assert between(second, first) == []  # a rollback adds none
    assert between("", second) == []
    directory = project.check({"directory": str(root), "name": "orchard"})
    assert project.commits(directory, tmp_path, tmp_path / "cache", first, second) == []


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
        return project.run(argv, **options)

    git_source(tmp_path, counting)
    assert calls == ["ls-remote", "rev-parse", "rev-parse"]
    shutil.rmtree(root)
    assert git_source(tmp_path, version=sha).revision == sha


def test_git_relative_path(tmp_path):
    repository(tmp_path / "site", PLAIN)
    (tmp_path / "kit").mkdir()
    checked = project.check({"git": "../site"})
    source = project.fetch(checked, tmp_path / "kit", tmp_path / "cache")
    assert source.paths == set(PLAIN)
    assert source.description == "git ../site"


def test_git_unknown_version_names_near_ones(tmp_path):
    root = repository(tmp_path / "site", PLAIN)
    git("tag", "v1.20", cwd=root)
    with pytest.raises(project.ProjectError, match=r'"v1.21": did you mean `v1.20`'):
        git_source(tmp_path, version="v1.21")
    with pytest.raises(project.ProjectError, match=r'"zzz": there are `main`, `v1.20`'):
        git_source(tmp_path, version="zzz")
    with pytest.raises(project.ProjectError, match='no branch, tag or commit "abcdef12"'):
        git_source(tmp_path, version="abcdef12")


def test_git_nothing_there(tmp_path):
    with pytest.raises(
        project.ProjectError, match="site is not a git repository: check the spelling"
    ):
        git_source(tmp_path)
    (tmp_path / "site").mkdir()
    git("init", "-q", ".", cwd=tmp_path / "site")
    with pytest.raises(project.ProjectError, match="has no commit yet"):
        git_source(tmp_path)


@pytest.mark.parametrize(
    ("status", "error", "sentence"),
    [
        (128, "fatal: could not read Username for 'https://h.example'", "needs a login"),
        (128, "fatal: unable to access: Could not resolve host: h.example", "cannot be reached"),
        (124, "timed out after 60 s", "cannot be reached from this machine"),
        (127, "git is not installed", "install git"),
        (128, "fatal: something new", "cannot be read by git: something new"),
    ],
)
def test_git_failures_are_sentences_without_the_password(tmp_path, status, error, sentence):
    def failing(argv, **options):
        return subprocess.CompletedProcess(argv, status, "", error)

    checked = project.check({"git": "https://me:hunter2@h.example/shop.git"})
    with pytest.raises(project.ProjectError) as caught:
        project.fetch(checked, tmp_path, tmp_path / "cache", failing)
    assert sentence in str(caught.value)
    assert "https://h.example/shop.git" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_git_password_is_in_no_argument_and_goes_to_its_host_only(tmp_path):
    arguments: list[str] = []

    def failing(argv, **options):
        arguments.extend(argv)
        return subprocess.CompletedProcess(argv, 1, "", "")

    url = "https://me:hunter%212@h.example/shop.git"
    with pytest.raises(project.ProjectError):
        project.fetch(project.check({"git": url}), tmp_path, tmp_path / "cache", failing)
    assert "hunter" not in " ".join(arguments)
    public, login = project._git_login(url)
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


def test_git_warns_of_submodules_and_lfs(tmp_path):
    files = {".gitmodules": "", ".gitattributes": "*.psd filter=lfs diff=lfs\n"}
    repository(tmp_path / "site", PLAIN | files)
    notes = "\n".join(git_source(tmp_path).notes)
    assert "git submodules are not fetched" in notes
    assert "git LFS files" in notes


# --------------------------------------------------------------------------------- fetch: package


def wheel(
    directory: Path, files: dict[str, str], name: str = "fruit", version: str = "1.4"
) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w") as archive:
        for member, text in (files | metadata).items():
            archive.writestr(member, text)
    return path


PACKAGE = {
    "fruit/__init__.py": "",
    "fruit/__main__.py": "import os\n"
    'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "fruit.settings")\n',
    "fruit/settings.py": "INSTALLED_APPS = []\nROOT_URLCONF = 'fruit.urls'\n",
    "fruit/testutils/settings.py": "INSTALLED_APPS = []\n",
    "fruit/wsgi.py": WSGI,
    "fruit/models.py": "",
}


def offline(links: Path):
    """A runner whose pip sees only the files in `links`."""

    def run(argv, **options):
        return project.run([*argv, "--no-index", "--find-links", str(links)], **options)

    return run


def packed_package(tmp_path: Path, run, **values: object):
    checked = project.check({"package": "Fruit", **values})
    source = project.fetch(checked, tmp_path, tmp_path / "cache", run)
    return checked, source, project.detect(checked, source)


def test_package_newest_then_exact_without_network(tmp_path, overlay):
    pytest.importorskip("pip")
    wheel(tmp_path / "links", PACKAGE)
    wheel(tmp_path / "links", PACKAGE, version="1.3")
    checked, source, found = packed_package(tmp_path, offline(tmp_path / "links"))
    assert source.revision == "1.4"
    assert source.description == "package Fruit"
    assert found.settings == project.Found(
        "fruit.settings", "fruit/__main__.py line 2 of the package"
    )
    assert found.application == project.Found("fruit.wsgi:application", "fruit/wsgi.py")
    assert any('`version: "1.4"` would keep it' in line for line in found.notes)
    archive = project.build(
        checked, source, found, overlay, {"gunicorn": ["gunicorn"]}, tmp_path / "out"
    )
    assert archive.build["requirements"] == {"kind": "package", "path": "", "spec": "Fruit==1.4"}
    with tarfile.open(archive.path) as tar:
        assert [n for n in tar.getnames() if n.startswith("code")] == ["code/manage.py"]
        assert tar.getmember("code/manage.py").mode == 0o755
        text = tar.extractfile("code/manage.py").read().decode()
    assert 'setdefault("DJANGO_SETTINGS_MODULE", "fruit.settings")' in text
    compile(text, "manage.py", "exec")

    def none(argv, **options):
        raise AssertionError("an exact version in the cache needs no program")

    assert packed_package(tmp_path, none, version="1.4")[1].revision == "1.4"


def test_package_unknown_name_and_version(tmp_path):
    pytest.importorskip("pip")
    wheel(tmp_path / "links", PACKAGE)
    run = offline(tmp_path / "links")
    with pytest.raises(project.ProjectError, match=r'no version "9.9" on the Python index: .* 1.4'):
        packed_package(tmp_path, run, version="9.9")
    with pytest.raises(project.ProjectError, match="there is no plum on the Python index"):
        packed_package(tmp_path, run, package="plum")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            "ERROR: NewConnectionError: refused\nERROR: No matching distribution",
            "cannot be reached",
        ),
        ("/usr/bin/python: No module named pip", "-m ensurepip"),
        ("ERROR: it broke", "pip cannot download Fruit: ERROR: it broke"),
    ],
)
def test_package_failures_are_sentences(tmp_path, error, sentence):
    def failing(argv, **options):
        return subprocess.CompletedProcess(argv, 1, "", error)

    with pytest.raises(project.ProjectError, match=sentence):
        packed_package(tmp_path, failing)


def from_file(file: Path):
    """A runner that downloads this very file."""

    def run(argv, **options):
        shutil.copy(file, argv[argv.index("-d") + 1])
        return subprocess.CompletedProcess(argv, 0, "", "")

    return run


def test_package_sdist(tmp_path):
    write(tmp_path / "fruit-2.0", {f"src/{name}": text for name, text in PACKAGE.items()})
    with tarfile.open(tmp_path / "fruit-2.0.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "fruit-2.0", "fruit-2.0")
    _, source, found = packed_package(tmp_path, from_file(tmp_path / "fruit-2.0.tar.gz"))
    assert source.revision == "2.0"
    assert found.settings.value == "fruit.settings"


def test_package_with_one_settings_module_and_no_entry_point(tmp_path):
    files = {"fruit/settings/__init__.py": "ROOT_URLCONF = 'x'", "fruit/wsgi.py": WSGI}
    _, _, found = packed_package(tmp_path, from_file(wheel(tmp_path / "links", files)))
    assert found.settings.value == "fruit.settings"


def test_package_without_or_with_several_settings(tmp_path):
    run = from_file(wheel(tmp_path / "a", {"fruit/wsgi.py": WSGI}))
    with pytest.raises(project.ProjectError, match="has no settings module of its own"):
        packed_package(tmp_path, run)
    several = {f"fruit/{one}/settings.py": "INSTALLED_APPS = []" for one in ("red", "green")}
    run = from_file(wheel(tmp_path / "b", several, version="1.5"))
    with pytest.raises(
        project.ProjectError, match=r"`fruit\.green\.settings`, `fruit\.red\.settings`"
    ):
        packed_package(tmp_path, run)


# ----------------------------------------------------------------------------------------- detect


def test_an_ordinary_project(tmp_path):
    found = detected(tmp_path, {})
    assert found.workdir == project.Found("", "the only one")
    assert found.settings == project.Found("mysite.settings", "manage.py line 5")
    assert found.application == project.Found(
        "mysite.wsgi:application", "WSGI_APPLICATION, mysite/settings.py line 2"
    )
    assert found.interface == "wsgi"
    assert found.requirements == project.Found("requirements.txt", "beside manage.py")
    assert found.requirements_kind == "requirements"
    assert found.notes[1:] == (
        "manage.py    manage.py (the only one)",
        "settings     mysite.settings (manage.py line 5)",
        "application  mysite.wsgi:application (wsgi) (WSGI_APPLICATION, mysite/settings.py line 2)",
        "requirements requirements.txt (beside manage.py)",
    )


def moved(prefix: str) -> dict[str, str | None]:
    return dict.fromkeys(PLAIN) | {f"{prefix}/{name}": text for name, text in PLAIN.items()}


def test_manage_in_a_directory(tmp_path):
    files = moved("backend") | {"backend/requirements.txt": None, "requirements.txt": "django"}
    found = detected(tmp_path, files)
    assert found.workdir.value == "backend"
    assert found.settings.where == "backend/manage.py line 5"
    assert found.requirements == project.Found("requirements.txt", "in the root")


def test_manage_of_a_test_project_is_left_aside(tmp_path):
    others = {
        "lib/tests/testproject/manage.py": "",
        ".hidden/manage.py": "",
        "node_modules/x/manage.py": "",
        "lib/site-packages/x/manage.py": "",
    }
    assert detected(tmp_path, others).workdir == project.Found("", "nearest the root")


def test_a_project_in_a_directory_called_example_is_a_project(tmp_path):
    assert detected(tmp_path, moved("example")).workdir.value == "example"


def test_several_or_no_manage(tmp_path):
    said = undetected(tmp_path / "a", {"shop/manage.py": MANAGE})
    assert "several manage.py, in `.`, `shop`: write `path:`" in said
    assert "no manage.py was found" in undetected(tmp_path / "b", {"manage.py": None})


def test_path_chooses_among_several(tmp_path):
    files = {"shop/manage.py": MANAGE.replace("mysite", "elsewhere")}
    assert detected(tmp_path / "a", files, path=".").workdir == project.Found("", "project.path")
    said = undetected(tmp_path / "b", files, path="sop")
    assert 'there is no manage.py in "sop": there is one in `.`, `shop`' in said


@pytest.mark.parametrize(
    "line",
    [
        'os.environ["DJANGO_SETTINGS_MODULE"] = "mysite.settings"',
        'os.environ.setdefault("DJANGO_SETTINGS_MODULE", os.environ.get("X", "mysite.settings"))',
        'os.environ.setdefault("DJANGO_SETTINGS_MODULE", config("Y", default="mysite.settings"))',
        'print "python 2"; os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")',
        'if "test" in x:\n'
        '    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.test_settings")\n'
        'else:\n    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")',
    ],
)
def test_ways_to_name_the_settings(tmp_path, line):
    files = {"manage.py": line, "mysite/test_settings.py": ""}
    assert detected(tmp_path, files).settings.value == "mysite.settings"


def test_settings_named_only_in_wsgi(tmp_path):
    text = 'import os\nos.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")\n' + WSGI
    found = detected(tmp_path, {"manage.py": "from x import main", "mysite/wsgi.py": text})
    assert found.settings == project.Found("mysite.settings", "mysite/wsgi.py line 2")


def test_settings_not_named_named_twice_or_missing(tmp_path):
    said = undetected(tmp_path / "a", {"manage.py": "x = 1"})
    assert "manage.py does not say which settings module" in said
    line = 'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.{}")\n'
    files = {"manage.py": line.format("one") + line.format("two")}
    files |= {"mysite/one.py": "", "mysite/two.py": ""}
    said = undetected(tmp_path / "b", files)
    assert "names several settings modules, `mysite.one`, `mysite.two`: write `settings:`" in said
    said = undetected(tmp_path / "c", {}, settings="mysite.setings")
    assert "has no module mysite.setings in its root: did you mean `mysite.settings`" in said


def test_settings_of_an_installed_package_are_believed(tmp_path):
    assert (
        detected(tmp_path, {}, settings="company_site.conf").settings.value == "company_site.conf"
    )


def test_development_settings_are_kept_and_production_is_mentioned(tmp_path):
    files = {
        "manage.py": MANAGE.replace("mysite.settings", "mysite.settings.dev"),
        "mysite/settings.py": None,
        "mysite/settings/__init__.py": "",
        "mysite/settings/base.py": SETTINGS,
        "mysite/settings/dev.py": "from .base import *\n",
        "mysite/settings/production.py": "from .base import *\n",
    }
    found = detected(tmp_path, files)
    assert found.settings.value == "mysite.settings.dev"
    assert found.application.where == "WSGI_APPLICATION, mysite/settings/base.py line 2"
    assert any("`settings: mysite.settings.production` would run it" in n for n in found.notes)


ASGI = "application = get_asgi_application()\n"


def test_wsgi_is_preferred_and_asgi_taken_when_alone(tmp_path):
    found = detected(tmp_path / "a", {"mysite/asgi.py": ASGI})
    assert (found.application.value, found.interface) == ("mysite.wsgi:application", "wsgi")
    files = {"mysite/asgi.py": ASGI, "mysite/wsgi.py": None}
    found = detected(tmp_path / "b", files)
    assert (found.application.value, found.interface) == ("mysite.asgi:application", "asgi")


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": "Django\nchannels[daphne]>=4\n"},
        {"requirements.txt": "daphne\n"},
        {"mysite/settings.py": 'INSTALLED_APPS = ["daphne", "x"]'},
        {"requirements.txt": None, "pyproject.toml": '[project]\ndependencies = ["channels~=4"]'},
    ],
)
def test_channels_selects_asgi_and_a_server_that_closes_websockets(tmp_path, files):
    found = detected(tmp_path, {"mysite/asgi.py": ASGI, **files})
    assert (found.application.value, found.interface) == ("mysite.asgi:application", "asgi")
    assert found.server.value == "uvicorn"
    assert [note for note in found.notes if note.startswith("server ")]
    stated = detected(tmp_path / "b", {"mysite/asgi.py": ASGI, **files}, server="granian")
    assert stated.server.value == "granian"


def test_channels_like_names_do_not(tmp_path):
    files = {"mysite/asgi.py": ASGI, "requirements.txt": "channels-of-water\ndjango-channels-x\n"}
    found = detected(tmp_path, files)
    assert (found.interface, found.server.value) == ("wsgi", "gunicorn")


def test_stated_application(tmp_path):
    files = {"mysite/asgi.py": ASGI}
    assert (
        detected(tmp_path / "a", files, application="mysite.asgi:application").interface == "asgi"
    )
    assert detected(tmp_path / "b", files, application="mysite.wsgi:app").interface == "wsgi"
    said = undetected(tmp_path / "c", {}, application="mysite.wsgy:application")
    assert "project.application: the project has no module mysite.wsgy" in said
    assert "did you mean `mysite.wsgi`" in said


def test_no_application(tmp_path):
    assert "neither a wsgi.py nor an asgi.py" in undetected(tmp_path, {"mysite/wsgi.py": None})


LOCK = '[[package]]\nname = "django"\n'
PYPROJECT = '[project]\nname = "x"\ndependencies = ["django"]\n'


@pytest.mark.parametrize(
    ("files", "value", "kind"),
    [
        ({"uv.lock": LOCK, "pyproject.toml": PYPROJECT}, "uv.lock", "uv.lock"),
        ({"uv.lock": LOCK}, "requirements.txt", "requirements"),
        ({"uv.lock": "", "pyproject.toml": PYPROJECT}, "requirements.txt", "requirements"),
        ({"pyproject.toml": PYPROJECT}, "requirements.txt", "requirements"),
        ({"pyproject.toml": PYPROJECT, "requirements.txt": None}, "pyproject.toml", "pyproject"),
        (
            {"requirements.txt": None, "requirements/base.txt": "", "requirements/prod.txt": ""},
            "requirements/prod.txt",
            "requirements",
        ),
    ],
)
def test_requirements(tmp_path, files, value, kind):
    found = detected(tmp_path, files)
    assert (found.requirements.value, found.requirements_kind) == (value, kind)


def test_stated_requirements(tmp_path):
    files = moved("app") | {"deps/live.txt": "", "uv.lock": LOCK, "pyproject.toml": PYPROJECT}
    found = detected(tmp_path / "a", files, requirements="deps/live.txt")
    assert found.requirements == project.Found("deps/live.txt", "project.requirements")
    assert detected(tmp_path / "b", files, requirements="uv.lock").requirements_kind == "uv.lock"
    said = undetected(tmp_path / "c", files, requirements="live.txt")
    assert "there is no live.txt beside manage.py or in the project's root" in said
    assert "`app/requirements.txt`" in said
    assert "no pyproject.toml beside it" in undetected(
        tmp_path / "d", {"uv.lock": LOCK}, requirements="uv.lock"
    )
    assert "has no `dependencies` in [project]" in undetected(
        tmp_path / "e", {"pyproject.toml": ""}, requirements="pyproject.toml"
    )


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "does not say what it needs"),
        (
            {"pyproject.toml": "[tool.poetry]\nname = 'x'\n"},
            "Poetry's own table: run `poetry export",
        ),
        ({"Pipfile": ""}, "Pipenv's format: run `pipenv requirements"),
        ({"pyproject.toml": "[project"}, "pyproject.toml is not valid TOML"),
        ({"requirements.txt": "d\0j\0"}, "requirements.txt is UTF-16 text"),
    ],
)
def test_unusable_requirements(tmp_path, files, sentence):
    assert sentence in undetected(tmp_path, {"requirements.txt": None, **files})


def test_celery_is_noted(tmp_path):
    notes = detected(tmp_path, {"mysite/celery.py": "app = Celery('mysite')"}).notes
    assert "note         mysite/celery.py has a Celery app; no worker is started for it" in notes


def test_a_large_directory_is_noted(tmp_path, monkeypatch):
    monkeypatch.setattr(project, "LARGE", 2**20)
    notes = detected(tmp_path, {"media/a.jpg": "x" * 2**21}).notes
    assert "warning      2 MB, of which 2 MB in media: list in .gitignore what is not code" in notes


# ------------------------------------------------------------------------------------------ build


def built(root: Path, kit_overlay: Path, out: Path, extra=("gunicorn==27.0.1",), **values: object):
    checked, source = fetched(root, **values)
    found = project.detect(checked, source)
    return project.build(checked, source, found, kit_overlay, {"gunicorn": list(extra)}, out)


def test_archive_content(tmp_path, overlay):
    root = write(tmp_path / "site", PLAIN)
    (root / "manage.py").chmod(0o700)
    (root / "requirements.txt").chmod(0o600)
    extras = ["django-storages[s3]", "Gunicorn==23"]
    kit = ["gunicorn==27.0.1", "psycopg[binary]==3.3.9"]
    archive = built(root, overlay, tmp_path / "out", kit, extra_requirements=extras)
    revision = archive.build["revision"]
    assert len(revision) == 12
    assert archive.build == {
        "identity": archive.identity,
        "project": "orchard",
        "source": f"directory {root}",
        "version": "",
        "revision": revision,
        "workdir": "code",
        "manage": "manage.py",
        "settings": "mysite.settings",
        "application": "mysite.wsgi:application",
        "interface": "wsgi",
        "overlay": True,
        "apps": [],
        "requirements": {"kind": "requirements", "path": "code/requirements.txt", "spec": ""},
        "extra_requirements": ["psycopg[binary]==3.3.9", "django-storages[s3]", "Gunicorn==23"],
        "python": "",
    }
    assert archive.path == tmp_path / "out" / f"orchard-{archive.identity}.tar.gz"
    with tarfile.open(archive.path) as tar:
        assert tar.getnames() == [
            "build.json",
            "code/manage.py",
            "code/mysite/__init__.py",
            "code/mysite/settings.py",
            "code/mysite/wsgi.py",
            "code/requirements.txt",
            "overlay/espalier_overlay/__init__.py",
            "overlay/espalier_overlay/settings.py",
        ]
        assert json.load(tar.extractfile("build.json")) == archive.build
        assert tar.extractfile("code/manage.py").read().decode() == MANAGE
        assert oct(tar.getmember("code/manage.py").mode) == "0o755"
        assert oct(tar.getmember("code/requirements.txt").mode) == "0o644"
        assert {(m.mtime, m.uid, m.gid, m.uname) for m in tar} == {(0, 0, 0, "")}


def test_workdir_below_the_root(tmp_path, overlay):
    root = write(tmp_path / "site", {f"backend/{name}": text for name, text in PLAIN.items()})
    build = built(root, overlay, tmp_path / "out").build
    assert build["workdir"] == "code/backend"
    assert build["requirements"]["path"] == "code/backend/requirements.txt"


def test_the_same_content_is_the_same_file(tmp_path, overlay):
    root = write(tmp_path / "site", PLAIN)
    one = built(root, overlay, tmp_path / "one")
    for path in root.rglob("*"):
        os.utime(path, (1, 1))
    (root / "manage.py").chmod(0o600)
    two = built(root, overlay, tmp_path / "two")
    assert one.identity == two.identity
    assert one.path.read_bytes() == two.path.read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "mysite/settings.py").write_text(SETTINGS + "#"),
        lambda root: (root / "new.py").write_text(""),
        lambda root: (root / "mysite/__init__.py").rename(root / "mysite/init.py"),
        lambda root: (root / "manage.py").chmod(0o755),
        lambda root: os.symlink("mysite", root / "alias"),
    ],
)
def test_a_change_changes_identity_and_revision(tmp_path, overlay, change):
    root = write(tmp_path / "site", PLAIN)
    before = built(root, overlay, tmp_path / "out")
    change(root)
    after = built(root, overlay, tmp_path / "out")
    assert before.identity != after.identity
    assert before.build["revision"] != after.build["revision"]


def test_what_is_not_code_changes_the_identity_too(tmp_path, overlay):
    root = write(tmp_path / "site", PLAIN)
    other = write(tmp_path / "overlay", {"espalier_overlay/__init__.py": "X = 2"})
    archives = [
        built(root, overlay, tmp_path / "out"),
        built(root, other, tmp_path / "out"),
        built(root, overlay, tmp_path / "out", ["gunicorn==28"]),
        built(root, overlay, tmp_path / "out", overlay=False),
    ]
    assert len({archive.identity for archive in archives}) == 4
    assert len({archive.build["revision"] for archive in archives}) == 1


def test_an_existing_archive_is_not_written_again(tmp_path, overlay):
    root = write(tmp_path / "site", PLAIN)
    archive = built(root, overlay, tmp_path / "out")
    archive.path.write_bytes(b"kept")
    assert built(root, overlay, tmp_path / "out").path.read_bytes() == b"kept"


def test_old_archives_are_removed(tmp_path, overlay):
    root = write(tmp_path / "site", PLAIN)
    out = tmp_path / "out"
    for number in range(7):
        (root / "n").write_text(str(number))
        archive = built(root, overlay, out)
        os.utime(archive.path, (number + 1, number + 1))
    assert len(list(out.iterdir())) == 5
    assert archive.path.exists()


def test_a_file_that_changes_meanwhile_is_refused(tmp_path, overlay):
    root = write(tmp_path / "site", PLAIN)
    checked, source = fetched(root)
    found = project.detect(checked, source)
    (root / "manage.py").write_text("changed")
    with pytest.raises(project.ProjectError, match=r"manage\.py changed while it was packed"):
        project.build(checked, source, found, overlay, {}, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_missing_overlay(tmp_path):
    root = write(tmp_path / "site", PLAIN)
    with pytest.raises(project.ProjectError, match="the kit's settings overlay is missing"):
        built(root, tmp_path, tmp_path / "out")


def test_packing_again_is_fast(tmp_path, overlay):
    root = repository(tmp_path / "site", PLAIN | {f"app/f{n}.py": "x = 1\n" for n in range(500)})
    for values in (
        {"directory": str(root), "name": "orchard"},
        {"git": str(root), "name": "orchard"},
    ):
        first = project.pack(values, tmp_path, tmp_path / "cache", overlay)
        started = time.monotonic()
        again = project.pack(values, tmp_path, tmp_path / "cache", overlay)
        assert again.archive == first.archive
        # 0.05 s at rest on a small machine; the margin is for a busy one.
        assert time.monotonic() - started < 1.5
    assert (tmp_path / "cache").stat().st_mode & 0o077 == 0


# --------------------------------------------------------------------------------------- classify


def test_classify(tmp_path, capsys):
    write(tmp_path / "shop", PLAIN)
    bare = tmp_path / "bare.git"
    bare.mkdir()
    git("init", "-q", "--bare", ".", cwd=bare)
    for value, expected in [
        (str(tmp_path / "shop"), {"directory": str(tmp_path / "shop")}),
        (str(bare), {"git": str(bare)}),
        ("https://h.example/me/shop", {"git": "https://h.example/me/shop"}),
        ("git@h.example:me/shop.git", {"git": "git@h.example:me/shop.git"}),
        ("pretix", {"package": "pretix"}),
        ("pretix==2026.8.0", {"package": "pretix", "version": "2026.8.0"}),
    ]:
        assert project.main(["classify", value]) == 0
        assert json.loads(capsys.readouterr().out) == {"project": expected}
    assert project.classify("mail", "post_office") == {
        "project": {"package": "mail", "name": "post_office"}
    }


@pytest.mark.parametrize("value", ["./nowhere", "", "a b", "../x/y"])
def test_classify_refuses(value, capsys):
    assert project.main(["classify", value]) == 1
    assert "is neither a directory that exists, a git URL" in capsys.readouterr().err


def test_classify_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, str(LIBRARY), "classify", "wagtail"], capture_output=True, text=True
    )
    assert json.loads(done.stdout) == {"project": {"package": "wagtail"}}


# ---------------------------------------------------------------------- example and action plugin


def test_the_example_inventory_is_valid():
    yaml = pytest.importorskip("yaml")
    path = ROOT / "inventories" / "example" / "group_vars" / "all" / "project.yml"
    project.check(yaml.safe_load(path.read_text())["project"])


def test_the_reference_and_the_example_name_every_key():
    reference = (ROOT / "docs" / "project.md").read_text()
    example = (ROOT / "inventories/example/group_vars/all/project.yml").read_text()
    for key in project._RULES:
        assert f"`{key}`" in reference
        assert f"{key}:" in example


PLAYBOOK = """\
- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    kit: {gunicorn: ["gunicorn==27.0.1"]}
    where: "{{ playbook_dir }}/site"
    ansible_python_interpreter: "{{ ansible_playbook_python }}"
  tasks:
    - project:
        project:
          directory: "{{ where }}"
          name: orchard
          version: "{{ said | default(omit) }}"
          environment: {TOKEN: hush}
        overlay: OVERLAY
        cache: "{{ playbook_dir }}/cache"
        extra_requirements: "{{ kit }}"
      register: packed
    - copy:
        content: "{{ packed | to_json }}"
        dest: "{{ playbook_dir }}/result.json"
      check_mode: false
"""


def playbook(tmp_path: Path, overlay: Path, *options: str) -> subprocess.CompletedProcess:
    beside = Path(sys.executable).with_name("ansible-playbook")
    program = str(beside) if beside.exists() else shutil.which("ansible-playbook")
    if not program:
        pytest.skip("ansible is not installed")
    write(tmp_path / "site", PLAIN)
    write(tmp_path, {"play.yml": PLAYBOOK.replace("OVERLAY", str(overlay)), "ansible.cfg": ""})
    environ = os.environ | {
        "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"),
        "ANSIBLE_ACTION_PLUGINS": str(ROOT / "plugins" / "action"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp"),
        "ANSIBLE_NOCOLOR": "1",
    }
    argv = [program, "-i", "localhost,", *options, str(tmp_path / "play.yml")]
    return subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, text=True)


def test_action_plugin_in_check_mode(tmp_path, overlay):
    done = playbook(tmp_path, overlay, "--check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "  settings     mysite.settings (manage.py line 5)" in done.stdout
    result = json.loads((tmp_path / "result.json").read_text())
    build = result["project_build"]
    assert result["changed"] is False
    assert build["name"] == "orchard"
    assert build["build"]["extra_requirements"] == ["gunicorn==27.0.1"]
    assert build["build"]["identity"] == build["identity"]
    assert Path(build["archive"]).is_file()
    assert build["project"]["static_url"] == "/static/"
    assert "hush" not in json.dumps(result)


def test_action_plugin_fails_with_the_sentence(tmp_path, overlay):
    done = playbook(tmp_path, overlay, "-e", "said=main")
    assert done.returncode == 2
    output = done.stdout + done.stderr
    assert "project.version has no meaning with `directory:`" in output
    assert "Traceback" not in output
