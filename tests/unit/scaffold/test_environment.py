"""The files of a new environment, and what makes no sense in them."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from espalier.inventory.site import SiteError
from espalier.project.schema import check
from espalier.scaffold import answers as ask
from espalier.scaffold.answers import Answers, Source, without_login
from espalier.scaffold.files import contents
from espalier.scaffold.look import look, origin, suggest_name
from espalier.scaffold.write import present, write
from tests.unit.inventory.run_ansible import ansible
from tests.unit.project.samples import PLAIN, git, repository
from tests.unit.project.samples import write as write_files

ANSWERS = Answers("shop", ("shop.example.com", "www.shop.example.com"), host="203.0.113.10")
KEY = "203.0.113.10 ssh-ed25519 AAAA"


def project_of(answers: Answers) -> dict[str, Any]:
    """What project.yml of an environment says."""
    text = contents(answers, [])["group_vars/all/project.yml"]
    found: dict[str, Any] = yaml.safe_load(text)["project"]
    check(found)
    return found


def test_files_are_an_inventory_that_computes(tmp_path: Path) -> None:
    directory = tmp_path / "my shop/deploy/production"
    made = write(directory, contents(ANSWERS, [KEY]))
    assert made == [
        "deploy/.gitignore",
        "deploy/production/hosts.yml",
        "deploy/production/group_vars/all/project.yml",
        "deploy/production/known_hosts",
        "deploy/production/topology.yml",
    ]
    run = ansible("ansible-inventory", "-i", str(directory), "--host", "vps1", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    found = yaml.safe_load(run.stdout)
    assert found["ansible_host"] == "203.0.113.10"
    assert found["ansible_user"] == "root"
    assert "private_address" not in found
    assert "/my shop/deploy/production/known_hosts" in found["ansible_ssh_extra_args"]
    assert found["topology"]["services"]["django"] == ["vps1"]
    assert found["project"] == {
        "directory": ".",
        "domains": ["shop.example.com", "www.shop.example.com"],
        "name": "shop",
    }


def test_variables_that_the_settings_require_are_lines_to_fill_in(tmp_path: Path) -> None:
    reads = 'import os\nA = int(os.environ["PAGES"])\nB = os.environ["PARTNER_TOKEN"]\n'
    write_files(tmp_path, PLAIN | {"mysite/settings.py": reads + PLAIN["mysite/settings.py"]})
    seen = look(Source(), tmp_path, tmp_path / "cache")
    text = contents(replace(ANSWERS, required=seen.required), [])["group_vars/all/project.yml"]
    assert "environment" not in yaml.safe_load(text)["project"]
    begin = text.index("  # environment:")
    written = re.sub(r"(?m)^  # ", "  ", text[begin : text.index("  # writable:")])
    found = yaml.safe_load(text[:begin] + written)["project"]["environment"]
    assert list(found)[:2] == ["PAGES", "PARTNER_TOKEN"]
    assert found["PARTNER_TOKEN"] == "{{ vault_partner_token }}"


def test_all_answers_stand_in_the_files() -> None:
    answers = Answers("shop", (), host="2001:db8::1", user="admin", port=2222)
    hosts = yaml.safe_load(contents(answers, [])["hosts.yml"])["all"]["hosts"]
    assert hosts == {
        "vps1": {"ansible_host": "2001:db8::1", "ansible_user": "admin", "ansible_port": 2222}
    }
    assert project_of(answers) == {"directory": ".", "domains": [], "name": "shop"}
    assert "known_hosts" not in contents(answers, [])


def test_another_source_takes_the_place_of_the_directory() -> None:
    source = Source("git", "git@git.example.com:me/shop.git", "v1.0")
    answers = Answers("shop", ("a.example",), source)
    assert project_of(answers) == {
        "git": "git@git.example.com:me/shop.git",
        "version": "v1.0",
        "domains": ["a.example"],
        "name": "shop",
    }
    source = Source("package", "pretix", "2.1.0")
    assert project_of(Answers("shop", (), source))["version"] == "2.1.0"


def test_the_repository_is_named_in_a_comment() -> None:
    answers = Answers("shop", origin="https://git.example.com/me/shop.git")
    text = contents(answers, [])["group_vars/all/project.yml"]
    assert "\n  # git: 'https://git.example.com/me/shop.git'\n" in text
    assert "git" not in project_of(answers)


def test_what_is_there_is_not_touched_and_the_rest_is_written(tmp_path: Path) -> None:
    directory = tmp_path / "deploy/production"
    directory.mkdir(parents=True)
    (directory / "hosts.yaml").write_text("mine")
    (tmp_path / "deploy/.gitignore").write_text("mine too")
    assert present(directory) == {"hosts.yml"}
    made = write(directory, contents(ANSWERS, []))
    assert made == [
        "deploy/production/group_vars/all/project.yml",
        "deploy/production/topology.yml",
    ]
    assert (directory / "hosts.yaml").read_text() == "mine"
    assert not (directory / "hosts.yml").exists()
    assert (tmp_path / "deploy/.gitignore").read_text() == "mine too"
    with pytest.raises(SiteError, match="deploy/production is an environment already") as refused:
        write(directory, contents(ANSWERS, []))
    assert refused.value.status == 2


def test_git_ignores_secrets_and_nothing_else(tmp_path: Path) -> None:
    root = repository(tmp_path / "shop", PLAIN)
    write(root / "deploy/production", contents(ANSWERS, [KEY]))
    for secret in (".secrets/secret_key", ".secrets/moved-to-vault/secret_key"):
        write_files(root / "deploy/production", {secret: "x", "known_hosts.old": "x"})
    seen = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert seen.stdout.splitlines() == [
        "deploy/.gitignore",
        "deploy/production/group_vars/all/project.yml",
        "deploy/production/hosts.yml",
        "deploy/production/known_hosts",
        "deploy/production/topology.yml",
    ]


@pytest.mark.parametrize(
    ("rule", "value", "sentence"),
    [
        (ask.environment, "Production", "cannot name an environment"),
        (ask.environment, "../x", "cannot name an environment"),
        (ask.environment, "lab", "lab is the kit's own"),
        (ask.host, "203.0.113.300", "looks like an IP address and is none"),
        (ask.host, "https://x.y", "which is no address"),
        (ask.host, "", "is empty"),
        (ask.private_address, "10.0.0.0/8", "`private_address`"),
        (ask.user, "me@203.0.113.10", "is no name of a user"),
        (ask.user, "-l", "is no name of a user"),
        (ask.domains, ["https://shop.example.com"], "write the host name alone: shop.example.com"),
        (ask.project_name, "postgres", "choose another"),
    ],
)
def test_answers_that_make_no_sense_are_refused(rule: Any, value: Any, sentence: str) -> None:
    with pytest.raises(SiteError, match=sentence) as refused:
        rule(value)
    assert refused.value.status == 2


def test_domains_may_stand_in_one_text() -> None:
    assert ask.domains(["Shop.example.com, www.shop.example.com", "shop.example.com"]) == (
        "shop.example.com",
        "www.shop.example.com",
    )
    assert ask.domains([""]) == ()


def test_only_one_source_and_no_password_in_it() -> None:
    assert ask.code("", "", "") == Source("directory", ".", "")
    assert ask.code("", "pretix", "2.1.0") == Source("package", "pretix", "2.1.0")
    for given, sentence in (
        (("a", "b", ""), "give one of them"),
        (("", "", "v1"), "--version belongs to"),
        (("https://me:token@x.example/a.git", "", ""), "give https://x.example/a.git"),
    ):
        with pytest.raises(SiteError, match=sentence):
            ask.code(*given)


@pytest.mark.parametrize(
    ("url", "without"),
    [
        ("https://me:token@x.example/a.git", "https://x.example/a.git"),
        ("https://token@x.example/a.git", "https://x.example/a.git"),
        ("ssh://git@x.example/a.git", "ssh://git@x.example/a.git"),
        ("ssh://git:p@x.example:22/a.git", "ssh://git@x.example:22/a.git"),
        ("git@x.example:me/a.git", "git@x.example:me/a.git"),
        ("../a.git", "../a.git"),
    ],
)
def test_no_password_is_written_into_a_file(url: str, without: str) -> None:
    assert without_login(url) == without


def test_project_says_what_it_is(tmp_path: Path) -> None:
    root = repository(tmp_path / "My-Shop", PLAIN)
    git("remote", "add", "origin", "https://me:token@x.example/orchard.git", cwd=root)
    assert origin(root) == "https://x.example/orchard.git"
    assert origin(tmp_path) == ""
    assert suggest_name(Source(), root, "") == "my_shop"
    # A directory's name that cannot be one: the repository's.
    assert suggest_name(Source(), tmp_path / "www", origin(root)) == "orchard"
    assert suggest_name(Source(), tmp_path / "www", "") == ""
    assert suggest_name(Source("package", "pretix"), root, "") == "pretix"
    seen = look(Source(), root)
    assert any(line.startswith("settings     mysite.settings") for line in seen.notes)
    assert seen.missing == ()


def test_what_project_yml_must_say_is_told_and_no_refusal(tmp_path: Path) -> None:
    files = {name: text for name, text in PLAIN.items() if name != "requirements.txt"}
    seen = look(Source(), write_files(tmp_path, files))
    assert "the project does not say what it needs" in seen.missing[0]


def test_a_tier_that_the_settings_want_is_told(tmp_path: Path) -> None:
    reads = 'import os\nX = os.environ["REDIS_URL"], os.environ.get("LEMON_DB_HOST")\n'
    write_files(tmp_path, PLAIN | {"mysite/settings.py": reads + PLAIN["mysite/settings.py"]})
    seen = look(Source(), tmp_path, tmp_path / "cache", name="lemon")
    assert seen.required == []
    [sentence] = seen.missing
    assert "read `REDIS_URL`: with `redis` among the `tiers` of hosts.yml the kit" in sentence
    assert any("LEMON_DB_HOST" in line for line in seen.notes)


@pytest.mark.parametrize("files", [{}, {"README.md": ""}, {"a/b/c/d/manage.py": ""}])
def test_directory_without_a_project_is_refused(tmp_path: Path, files: dict[str, str]) -> None:
    with pytest.raises(SiteError, match=r"holds no Django project: there is no manage\.py"):
        look(Source(), write_files(tmp_path, files))


def test_home_is_no_project_whatever_is_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(write_files(tmp_path, PLAIN)))
    with pytest.raises(SiteError, match="holds no Django project"):
        look(Source(), tmp_path)
