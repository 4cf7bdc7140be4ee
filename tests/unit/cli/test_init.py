"""espalier init, as somebody types it; no machine is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from espalier.cli import init
from espalier.cli.main import main
from espalier.inventory.host_keys import Compared, HostKey
from espalier.readiness.findings import note
from tests.unit.project.samples import PLAIN, write

KEYS = (HostKey("ssh-ed25519", "AAAA"), HostKey("ssh-rsa", "BBBB"))
GIVEN = ("--host", "203.0.113.10", "--domain", "shop.example.com")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project to be in, and a machine that shows KEYS."""
    root = write(tmp_path / "shop", PLAIN)
    monkeypatch.chdir(root)
    shows(monkeypatch, KEYS)
    monkeypatch.setattr(init, "look_up", lambda names, hosts: [note("domain", "it leads nowhere")])
    return root


def shows(monkeypatch: pytest.MonkeyPatch, keys: Any, *known: HostKey, **more: Any) -> None:
    one = Compared("203.0.113.10", ("/k",), tuple(keys), frozenset(known), **more)
    monkeypatch.setattr(init, "compare", lambda *given: one)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["init", *arguments])


def typed(monkeypatch: pytest.MonkeyPatch, answers: str, *arguments: str) -> Result:
    """Run it where somebody is at a terminal, and types."""
    monkeypatch.setattr(init, "is_terminal", lambda: True)
    return CliRunner().invoke(main, ["init", *arguments], input=answers)


def test_everything_given(project: Path) -> None:
    done = run(*GIVEN, "--yes")
    assert done.exit_code == 0, done.output
    assert "settings     mysite.settings (manage.py line 5)" in done.stdout
    assert f"  {KEYS[0]}\n" in done.stdout
    assert done.stdout.endswith(
        """
Written:
  deploy/.gitignore
  deploy/production/hosts.yml
  deploy/production/group_vars/all/project.yml
  deploy/production/known_hosts
  deploy/production/topology.yml

it leads nowhere.

Next: espalier check   whether everything is ready
      espalier site    make the site
"""
    )
    known = (project / "deploy/production/known_hosts").read_text()
    # The one that is shown to be compared. Anybody can show the public key of another machine.
    assert known == "203.0.113.10 ssh-ed25519 AAAA\n"
    assert str(KEYS[1]) not in done.stdout
    project_yml = (project / "deploy/production/group_vars/all/project.yml").read_text()
    assert yaml.safe_load(project_yml)["project"]["name"] == "shop"


def test_without_a_terminal_nothing_is_asked(project: Path) -> None:
    done = run()
    assert done.exit_code == 2
    assert done.stderr == (
        "init: There is no terminal to ask at, and answers are missing: add --host, "
        "--fingerprint (or --yes).\n"
    )
    assert not (project / "deploy").exists()
    # A site may begin with its machine's address alone.
    assert run("--host", "203.0.113.10", "--yes").exit_code == 0
    found = yaml.safe_load((project / "deploy/production/group_vars/all/project.yml").read_text())
    assert found["project"]["domains"] == []


def test_answers_are_asked_for_until_they_are_some(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = "203.0.113.300\n203.0.113.10\n\nhttps://x.y\na.example b.example\n\ny\n"
    done = typed(monkeypatch, answers)
    assert done.exit_code == 0, done.output
    assert "looks like an IP address and is none" in done.output
    assert "has a scheme" in done.output
    hosts = yaml.safe_load((project / "deploy/production/hosts.yml").read_text())
    assert hosts["all"]["hosts"]["vps1"] == {"ansible_host": "203.0.113.10", "ansible_user": "root"}
    found = yaml.safe_load((project / "deploy/production/group_vars/all/project.yml").read_text())
    assert found["project"]["domains"] == ["a.example", "b.example"]


def test_private_key_is_found_from_any_directory_and_in_a_colleague_s_home(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(project.parent))
    done = run(*GIVEN, "--yes", "--private-key", "keys/shop")
    assert (done.exit_code, (project / "deploy").exists()) == (2, False)
    assert done.stderr == (
        f"init: There is no file {project}/keys/shop: write where the private key of SSH is.\n"
    )
    (project / "keys").mkdir()
    (project / "keys/shop").touch()
    assert run(*GIVEN, "--yes", "--private-key", "keys/shop").exit_code == 0
    hosts = yaml.safe_load((project / "deploy/production/hosts.yml").read_text())
    assert hosts["all"]["hosts"]["vps1"]["ansible_ssh_private_key_file"] == "~/shop/keys/shop"


def test_a_no_to_the_host_key_writes_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = typed(monkeypatch, "\n\nn\n", *GIVEN)
    assert done.exit_code == 1
    assert "The host key was not accepted, so nothing was written." in done.stderr
    assert not (project / "deploy").exists()


def test_fingerprint_is_compared_and_its_key_alone_is_kept(project: Path) -> None:
    done = run(*GIVEN, "--fingerprint", "SHA256:other")
    assert done.exit_code == 1
    assert "shows no host key with the fingerprint SHA256:other" in done.stderr
    assert not (project / "deploy").exists()
    done = run(*GIVEN, "--fingerprint", KEYS[1].fingerprint)
    assert done.exit_code == 0
    known = (project / "deploy/production/known_hosts").read_text()
    assert known == "203.0.113.10 ssh-rsa BBBB\n"


def test_key_that_is_known_already_is_not_asked_for_and_another_one_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shows(monkeypatch, KEYS, HostKey("ssh-ed25519", "CCCC"))
    done = run(*GIVEN, "--yes")
    assert done.exit_code == 1
    assert "203.0.113.10 shows another SSH host key" in done.stderr
    shows(monkeypatch, KEYS[:1], revoked=frozenset(KEYS))
    done = run(*GIVEN, "--yes")
    assert done.exit_code == 1
    assert f"/k marks as revoked, {KEYS[0]}" in done.stderr
    shows(monkeypatch, KEYS, KEYS[1])
    done = typed(monkeypatch, "\n\n", *GIVEN)
    assert done.exit_code == 0, done.output
    assert "It is known to you already" in done.output
    known = (project / "deploy/production/known_hosts").read_text()
    assert known == "203.0.113.10 ssh-rsa BBBB\n", "what nobody has compared is not kept beside it"


def test_machine_that_does_not_answer_is_told(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shows(monkeypatch, ())
    done = run(*GIVEN, "--fingerprint", KEYS[1].fingerprint)
    assert done.exit_code == 1
    assert "does not answer, so its key could not be compared" in done.stderr
    done = run(*GIVEN, "--yes")
    assert done.exit_code == 0
    assert "does not answer, so its SSH host key was not kept" in done.stdout
    assert not (project / "deploy/production/known_hosts").exists()


def test_environment_that_is_there_is_refused_and_half_of_one_is_completed(project: Path) -> None:
    assert run(*GIVEN, "--yes").exit_code == 0
    done = run(*GIVEN, "--yes")
    assert done.exit_code == 2
    assert "deploy/production is an environment already" in done.stderr
    (project / "deploy/production/hosts.yml").write_text("mine")
    (project / "deploy/production/topology.yml").unlink()
    for arguments, sentence in (
        (("--host", "203.0.113.11", "--port", "22"), "hosts.yml is there already, and is never"),
        (("--host", "203.0.113.11", "--port", "22"), "edit it, in place of giving --host, --port."),
        (("--domain", "x.example"), "project.yml is there already, and is never changed"),
        (("--domain", "x.example"), "edit it, in place of giving --domain."),
    ):
        done = run(*arguments)
        assert (done.exit_code, sentence in done.stderr) == (2, True), done.output
        assert not (project / "deploy/production/topology.yml").exists()
    done = run()  # nothing is asked, as no answer is needed
    assert done.exit_code == 0, done.output
    assert "Written:\n  deploy/production/topology.yml\n" in done.stdout
    assert (project / "deploy/production/hosts.yml").read_text() == "mine"


def test_second_environment_is_named_and_stands_beside_the_first(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(*GIVEN, "--yes").exit_code == 0
    monkeypatch.chdir(project / "mysite")
    done = run("staging", *GIVEN, "--yes")
    assert done.exit_code == 0, done.output
    assert "Next: espalier check -e staging " in done.stdout
    assert (project / "deploy/staging/topology.yml").exists()


def test_what_is_missing_in_project_yml_is_told(project: Path) -> None:
    (project / "requirements.txt").unlink()
    done = run(*GIVEN, "--yes")
    assert done.exit_code == 0
    assert "Still to do: project.yml: the project does not say what it needs" in done.stdout
