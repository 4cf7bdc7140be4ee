"""The command line: its options, its sentences and its exit statuses. No machine is touched."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from espalier.cli import command, maintenance, manage, options, psql, secrets, status
from espalier.cli.main import COMMANDS, main
from espalier.inventory.read import Passwords
from espalier.inventory.site import SiteError
from espalier.paths import KIT
from espalier.project.name import project_name
from espalier_machine.common.text import format_table

Recorded = list[tuple[str, list[str]]]
INVENTORY = str(KIT / "inventories/example")


def test_every_command_has_help_and_the_shared_options() -> None:
    groups = {"secrets": secrets.command.commands}
    for words in [[name, one] for name in COMMANDS for one in groups.get(name, [""])]:
        done = CliRunner().invoke(main, [*filter(None, words), "--help"])
        assert done.exit_code == 0
        if words[0] in ("up", "down", "init", "advise", "report"):
            continue  # which make their environment, or ask no machine
        reach = ("-K", "-k") if words[0] != "verify" else ()  # which testinfra does not take
        for option in ("-e, --env", "--inventory", *reach, "--ask-vault-pass", "--vault-id"):
            assert option in done.output


def test_release_that_was_cut_off_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    live = {"id": "r2", "identity": "2", "revision": "abc", "healthy": True, "since": "", "by": ""}
    answer = {"ok": True, "live": live, "stale": False, "unfinished": True, "releases": []}
    problem = {"unit": "nginx.service", "what": "it was killed by signal 9", "since": 0}
    state = {"ok": True, "failing": [problem], "channels": [], "heartbeat": False}
    state |= {"waiting": 0, "reboot": ["linux-image-amd64"], "outdated": []}
    state["certificate_ends"] = "2027-01-20"
    silent = {"ok": False, "error": "no route"}
    # One connection has all: releases, what fails, certificates of web machines, both backups.
    said = [{"vps1": answer}, {"vps1": state, "db1": silent}, {"vps1": silent}, {}, {}]
    monkeypatch.setattr(status, "ask_programs", lambda site, *programs: said)
    done = CliRunner().invoke(main, ["status", "-i", INVENTORY])
    assert "yes, but its release was cut off" in done.stdout
    assert done.stdout.splitlines()[2:] == [
        "certificate  vps1  self-signed",
        "db1: no route",
        "Nothing is copied anywhere: hosts.yml has no `backup`, such as `backup: {to: s3, bucket: "
        "shop-backups, endpoint: s3.eu-central-1.amazonaws.com}`.",
        "vps1: nginx.service fails since 1970-01-01 00:00 UTC: it was killed by signal 9",
        "vps1 waits for a reboot: linux-image-amd64",
        "vps1: its certificate for the site's other machines ends on 2027-01-20: a run of the site "
        "renews it",
        "Nobody is told when something fails: hosts.yml has no `alerts`, such as "
        "`alerts: {email: anna@example.com}`.",
    ]


def test_wrong_use_has_the_status_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("production", "staging"):
        (tmp_path / "deploy" / name).mkdir(parents=True)
        (tmp_path / "deploy" / name / "topology.yml").write_text("plugin: topology\n")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["status"])
    assert (done.exit_code, done.stderr) == (
        2,
        "status: There are several environments: production, staging. Say which: -e production.\n",
    )
    done = CliRunner().invoke(main, ["status", "-e", "staging", "-i", INVENTORY])
    assert (done.exit_code, done.stderr) == (
        2,
        "status: Both -e and -i name an inventory: give one of them.\n",
    )
    assert CliRunner().invoke(main, ["prune", "-i", INVENTORY]).exit_code == 2
    done = CliRunner().invoke(main, ["status", "-i", str(tmp_path)])
    assert done.exit_code == 2
    assert done.stderr.startswith(f"status: {tmp_path} is no inventory of this kit")
    done = CliRunner().invoke(main, ["status", "--json", "-i", str(tmp_path)])
    assert done.exit_code == 2
    assert json.loads(done.stdout)["ok"] is False
    done = CliRunner().invoke(main, ["manage", "-i", INVENTORY])
    assert done.exit_code == 2
    assert done.stderr == "manage: Say what to run: espalier manage -- createsuperuser.\n"


@pytest.mark.parametrize("name", ["backup_passphrase", "backup_ssh_key", "backup_access_key"])
def test_what_opens_the_backups_cannot_be_rotated(name: str) -> None:
    done = CliRunner().invoke(main, ["secrets", "rotate", name, "-i", INVENTORY])
    assert done.exit_code == 2
    assert f"'{name}' is not one of 'database_password', " in done.stderr


@pytest.mark.parametrize("raised", [KeyboardInterrupt, click.Abort])
def test_interruption_has_the_status_130(
    monkeypatch: pytest.MonkeyPatch, raised: type[BaseException]
) -> None:
    def interrupted(*given: Any, **more: Any) -> Any:
        raise raised

    monkeypatch.setattr(command, "read", interrupted)
    done = CliRunner().invoke(main, ["status", "-i", INVENTORY])
    assert (done.exit_code, done.stderr) == (130, "\nInterrupted.\n")


def test_words_of_a_tool_follow_the_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*given: Any, **more: Any) -> Any:
        raise SiteError("it failed; its last words follow.", 1, "E: no such thing\n")

    monkeypatch.setattr(command, "read", refuse)
    done = CliRunner().invoke(main, ["status", "-i", INVENTORY])
    assert done.exit_code == 1
    assert done.stderr == "status: it failed; its last words follow.\nE: no such thing\n"
    done = CliRunner().invoke(main, ["status", "--json", "-i", INVENTORY])
    assert json.loads(done.stdout)["error"]["detail"] == "E: no such thing"


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """What would be run, by machine, in place of machines."""
    commands: Recorded = []

    def note(machine: str, words: list[str], result: Any) -> Any:
        commands.append((machine, list(words)))
        return result

    remote = SimpleNamespace(
        attach=lambda machine, words: note(machine, words, 7),
        run=lambda machine, words: note(machine, words, (0, "", "")),
    )
    for module in (manage, psql, maintenance):
        monkeypatch.setattr(module, "reach", lambda site: nullcontext(remote))
    return commands


@pytest.mark.parametrize("separator", [["--"], []])
def test_arguments_reach_the_machine_as_they_are(recorded: Recorded, separator: list[str]) -> None:
    words = ["createsuperuser", "--username", "two words", "-i", "x"]
    done = CliRunner().invoke(main, ["manage", "-i", INVENTORY, *separator, *words])
    assert done.exit_code == 7
    expected = ["release", "--project", "orchard", "manage", "--", *words]
    assert recorded == [("vps1", expected)]


def test_psql_runs_a_statement_on_the_primary(recorded: Recorded) -> None:
    as_postgres = ["runuser", "-u", "postgres", "--", "psql", "-d", "orchard"]
    assert CliRunner().invoke(main, ["psql", "-i", INVENTORY, "-c", "select 1"]).exit_code == 7
    assert CliRunner().invoke(main, ["psql", "-i", INVENTORY]).exit_code == 7
    assert CliRunner().invoke(main, ["psql", "-i", INVENTORY, "--", "-At"]).exit_code == 7
    assert [words for _, words in recorded] == [
        [*as_postgres, "-c", "select 1"],
        as_postgres,
        [*as_postgres, "-At"],
    ]


def test_maintenance_says_what_is_closed(recorded: Recorded) -> None:
    done = CliRunner().invoke(main, ["maintenance", "-i", INVENTORY, "on", "/shop/"])
    assert done.output == "vps1: /shop/ is closed\n"
    done = CliRunner().invoke(main, ["maintenance", "-i", INVENTORY, "status"])
    assert done.output == "vps1: everything is open\n"
    assert [words for _, words in recorded] == [
        ["maintenance", "on", "/shop/", "600"],
        ["maintenance", "status", "/"],
    ]
    assert CliRunner().invoke(main, ["maintenance", "-i", INVENTORY, "closed"]).exit_code == 2


def test_ansible_gets_the_options_that_were_given() -> None:
    given = {
        "ask_become_pass": True,
        "become_password_file": "",
        "ask_pass": False,
        "connection_password_file": "/ssh",
        "ask_vault_pass": False,
        "vault_password_file": ("/vault",),
        "vault_id": ("a@/x", "b@prompt"),
        "extra_vars": ("a=1",),
    }
    assert command.Environment(Path("/shop/deploy/production"), given).ansible_arguments() == [
        *("-i", "/shop/deploy/production", "--ask-become-pass"),
        *("--connection-password-file", "/ssh", "--vault-password-file", "/vault"),
        *("--vault-id", "a@/x", "--vault-id", "b@prompt", "--extra-vars", "a=1"),
    ]


def test_vault_password_comes_from_the_environment_unless_an_option_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ESPALIER_VAULT_PASSWORD", "grafting wax")
    given = {**options.NONE_GIVEN, "inventory": Path(INVENTORY)}
    environment = command.selected(given)
    (program,) = environment.options["vault_password_file"]
    assert subprocess.check_output([program], text=True) == "grafting wax\n"
    assert "grafting wax" not in " ".join(environment.ansible_arguments())
    own = {**given, "vault_password_file": ("/own",)}
    assert command.selected(own).options["vault_password_file"] == ("/own",)


def test_environment_is_named_in_a_hint_as_the_person_named_it() -> None:
    production = Path("/shop/deploy/production")

    def hint(**given: Any) -> str:
        return command.Environment(production, options.NONE_GIVEN | given).again("site")

    assert hint() == "espalier site"
    assert hint(environment="production") == "espalier site -e production"
    assert hint(inventory=Path("my shop")) == "espalier site -i 'my shop'"


def test_passwords_are_asked_for_once_and_typed_for_ansible_by_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    monkeypatch.setattr(command, "ask_passwords", lambda given: asked.append(1) or Passwords())
    given = options.NONE_GIVEN | {"ask_become_pass": True}
    environment = command.Environment(Path("/x"), given)
    for _ in range(2):
        with environment.playbook("site", ["--diff"], again="site -D") as playbook:
            assert playbook.arguments == ["-i", "/x", "--diff"]
            assert (playbook.environment, playbook.again) == ("x", "espalier site -D")
            assert playbook.variables["ANSIBLE_BECOME_ASK_PASS"] == "False"
    assert asked == [1]


@pytest.mark.parametrize("error", [KeyboardInterrupt, click.Abort])
def test_who_interrupts_a_command_gets_130(
    monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def interrupted(*given: Any) -> None:
        raise error

    monkeypatch.setattr(command, "read", interrupted)
    for words in (["psql", "-i", INVENTORY], ["secrets", "rotate", "all", "-i", INVENTORY]):
        monkeypatch.setattr(command.Environment, "read", interrupted)
        done = CliRunner().invoke(main, words)
        assert (done.exit_code, done.stderr) == (130, "\nInterrupted.\n")


def test_passwords_are_asked_with_the_words_of_ansible(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def prompt(words: str, **settings: Any) -> str:
        assert settings["hide_input"]
        asked.append(words)
        return "" if "BECOME" in words else f"typed {len(asked)}"

    monkeypatch.setattr(options.click, "prompt", prompt)
    given: Mapping[str, Any] = {
        "ask_vault_pass": True,
        "vault_id": ("dev@prompt", "prod@/file", "/other"),
        "vault_password_file": ("/vault",),
        "ask_pass": True,
        "ask_become_pass": True,
        "become_password_file": "",
        "connection_password_file": "",
    }
    assert options.ask_passwords(given) == Passwords(
        vault={"default": "typed 1", "dev": "typed 2"},
        vault_ids=("prod@/file", "/other"),
        vault_password_files=("/vault",),
        become="typed 3",
        connection="typed 3",
    )
    assert asked == [
        "Vault password",
        "Vault password (dev)",
        "SSH password",
        "BECOME password[defaults to SSH password]",
    ]


def test_project_that_is_wrong_ends_with_its_sentence() -> None:
    with pytest.raises(SiteError, match="is not a key of `project`") as refused:
        project_name({"directry": "x"})
    assert refused.value.status == 2


def test_columns_are_aligned() -> None:
    assert format_table([["A", "B"], ["long", ""], ["", "x"]]) == "A     B\nlong\n      x"


def test_shell_completes_names_of_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("production", "staging"):
        (tmp_path / "deploy" / name).mkdir(parents=True)
        (tmp_path / "deploy" / name / "topology.yml").touch()
    monkeypatch.chdir(tmp_path)
    completed = ShellComplete(main, {}, "espalier", "_ESPALIER_COMPLETE")
    for begun, found in [("", ["production", "staging", "lab"]), ("st", ["staging"])]:
        items = completed.get_completions(["release", "-e"], begun)
        assert [item.value for item in items] == found
