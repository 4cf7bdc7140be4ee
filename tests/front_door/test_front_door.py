"""From a bare VPS to a site and back, as somebody who has only the kit's wheel would do it.

Each step stands on the one before; they are run in this order.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

import yaml

from espalier.paths import KIT

from .conftest import DOMAIN, WORK, Person, Typed, make_person, send

Visitors = Callable[[], AbstractContextManager[None]]
VAULT_PASSWORD = "grafting wax"
VAULT = "--vault-password-file ~/vault-password"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]")


def commit(anna: Person, message: str) -> None:
    """Commit what is in the project."""
    anna.gets(f"git add -A && git commit -qm '{message}'")


def front_page(anna: Person, address: str) -> str:
    """What a visitor sees."""
    ask = (
        "import socket, ssl, urllib.request as u; find = socket.getaddrinfo; "
        f"socket.getaddrinfo = lambda host, *rest, **more: find('{address}', *rest, **more); "
        f"page = u.urlopen('https://{DOMAIN}/', context=ssl._create_unverified_context()); "
        "print(page.read().decode())"
    )
    return anna.gets(f'python3 -c "{ask}"')


def told_once(typed: Typed, sentence: str, lines: int) -> None:
    """Check that a failure is told in one place, and briefly."""
    assert typed.output.count(sentence) == 1, typed.output
    assert len(typed.lines) <= lines, typed.output


def test_control_machine_has_nothing_that_the_kit_does_not_ask_for(anna: Person) -> None:
    for absent in ("command -v podman", "command -v make", "sudo -n true", "apt-get update"):
        assert anna.types(absent, directory="~").status != 0
    assert anna.gets("espalier --version", directory="~").strip()
    assert "deploy/" in anna.gets("espalier init --help", directory="~")
    assert "_espalier_completion" in anna.gets(
        "_ESPALIER_COMPLETE=bash_source espalier", directory="~"
    )


def test_command_without_an_environment_says_what_to_do(anna: Person, shop: str) -> None:
    typed = anna.types("espalier status")
    assert typed.status == 2
    told_once(typed, "`espalier init` makes one", 3)


def test_init_asks_and_writes_what_git_may_see(
    anna: Person, shop: str, addresses: dict[str, str], vps: Callable[[str], str]
) -> None:
    typed = anna.types("espalier init < /dev/null")
    assert typed.status == 2
    told_once(typed, "--host", 8)
    answers = f"{addresses['vps1']}\nroot\n{DOMAIN}\n\ny\n"  # the name as it is offered
    said = anna.gets("espalier init", answers=answers, terminal=True)
    fingerprint = vps("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1]
    assert fingerprint in said
    assert "settings" in said
    files = "hosts.yml topology.yml group_vars/all/project.yml known_hosts"
    anna.gets(f"cd deploy/production && ls {files}")
    again = anna.types("espalier init", answers=answers, terminal=True)
    assert again.status == 2
    commit(anna, "Espalier")


def test_check_finds_nothing_and_changes_nothing(
    anna: Person, shop: str, vps: Callable[[str], str]
) -> None:
    packages = vps("dpkg -l | sha256sum")
    said = anna.gets("espalier check")
    assert "vps1" in said
    assert vps("dpkg -l | sha256sum") == packages
    assert json.loads(anna.gets("espalier check --json 2>/dev/null"))["ok"]


def test_plan_says_what_the_first_run_would_do(
    anna: Person, shop: str, vps: Callable[[str], str]
) -> None:
    said = anna.gets("espalier plan")
    assert re.search(r"\d+ changes on 1 machine", said)
    assert vps("ls /srv") == ""


def test_site_serves(anna: Person, shop: str, addresses: dict[str, str]) -> None:
    said = anna.gets("espalier site")
    assert not CONTROL.search(said), "a pipe gets plain lines"
    assert f"https://{DOMAIN}" in said
    assert "orchard" in front_page(anna, addresses["vps1"]).lower()
    assert "Nothing would change." in anna.gets("espalier plan")
    assert "vps1" in anna.gets("espalier status")
    assert anna.gets("git status --short") == "", "secrets are ignored"


def test_arguments_are_arguments(anna: Person, shop: str) -> None:
    assert "it's" in anna.gets("""espalier psql -c "SELECT 'it''s'" """)
    user = "createsuperuser --noinput --username anna --email anna@example.com"
    anna.gets(f"espalier manage -e production -- {user}")
    asked = "from django.contrib.auth.models import User; print(User.objects.get().username)"
    assert "anna" in anna.gets(f'espalier shell -- -c "{asked}"')
    assert "vps1" in anna.gets("espalier logs -n 5")


def test_edit_is_released_and_taken_back_without_a_failed_request(
    anna: Person, shop: str, addresses: dict[str, str], visitors: Visitors
) -> None:
    pages = "$(grep -rl '<body>' --include=*.html .)"
    anna.gets(f"sed -i 's/<body>/<body><!-- second edition -->/' {pages}")
    commit(anna, "Second edition")
    with visitors():
        said = anna.gets("espalier release")
        assert "is live on vps1" in said
        assert "second edition" in front_page(anna, addresses["vps1"])
        anna.gets("espalier rollback")
        assert "second edition" not in front_page(anna, addresses["vps1"])
        anna.gets("espalier release --batches 100%")
    assert "anna@laptop" in anna.gets("espalier log")


def test_failing_release_is_told_once_and_the_old_one_serves(
    anna: Person, shop: str, addresses: dict[str, str], visitors: Visitors
) -> None:
    anna.gets("echo 'no-such-package-of-anybody==1.0' >> requirements.txt")
    with visitors():
        typed = anna.types("espalier release")
    assert typed.status == 1
    told_once(typed, "you require no-such-package-of-anybody", 12)
    assert "as before" in typed.output
    log = re.search(r"\S+-release\.log", typed.output)
    assert log and "no-such-package-of-anybody" in anna.gets(f"cat {log[0]}")
    anna.gets("git checkout -q requirements.txt")
    assert "second edition" in front_page(anna, addresses["vps1"])


def test_secrets_move_into_the_vault_and_nothing_changes(anna: Person, shop: str) -> None:
    assert "database_password" in anna.gets("espalier secrets list")
    anna.gets(f"umask 077 && printf '%s\\n' '{VAULT_PASSWORD}' > ~/vault-password")
    anna.gets(f"espalier secrets encrypt {VAULT}")
    commit(anna, "Secrets, encrypted")
    assert "$ANSIBLE_VAULT;" in anna.gets("cat deploy/production/group_vars/all/vault.yml")
    told_once(anna.types("espalier status"), "ESPALIER_VAULT_PASSWORD", 1)
    said = anna.gets(f"espalier plan {VAULT}")
    assert "Nothing would change." in said


# As a project may have, which owns its database: a better match for text than PostgreSQL's own.
HOSTILE = """
SET ROLE shop;
CREATE OR REPLACE FUNCTION public.format(text, text, text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
    CREATE ROLE evil SUPERUSER;
  END IF;
  RETURN pg_catalog.format($1, $2, $3);
END $$
"""


def test_password_of_the_database_is_rotated_without_a_failed_request(
    anna: Person, shop: str, visitors: Visitors
) -> None:
    psql = f"espalier psql {VAULT} -c"
    anna.gets(f"{psql} {shlex.quote(HOSTILE)}")
    anna.gets(f"{psql} 'ALTER ROLE shop SET statement_timeout = 55000'")
    before = anna.gets(f"espalier secrets show database_password {VAULT}")
    with visitors():
        anna.gets(f"espalier secrets rotate database_password {VAULT}")
    assert anna.gets(f"espalier secrets show database_password {VAULT}") != before
    roles = anna.gets(f"{psql} 'SELECT rolname, rolconfig FROM pg_roles'")
    assert roles.count("statement_timeout=55") == 2, "what is set for the owner is for both"
    assert "evil" not in roles
    commit(anna, "Another password")


def workflow(person: Person, lines: str, **environment: str) -> str:
    """Run what a CI system would run, in a checkout of somebody's; gives the output."""
    WORK.joinpath("ci.sh").write_text(lines)
    send(person, {"ci.sh": WORK / "ci.sh"})
    given = " ".join(f"{name}='{value}'" for name, value in environment.items())
    given += f" SITE=production ESPALIER_VAULT_PASSWORD='{VAULT_PASSWORD}'"
    return person.gets(f'{given} SSH_KEY="$(cat ~/key)" bash -e ~/ci.sh')


def test_ci_releases_the_default_branch_and_plans_others(
    anna: Person, shop: str, vps: Callable[[str], str], addresses: dict[str, str]
) -> None:
    runner = make_person(addresses["laptop"], vps, "runner", kit="ln -sfn /home/anna/kit kit")
    checkout = anna.ssh("tar -c shop", capture_output=True).stdout
    assert runner.ssh("tar -x --no-same-owner", input=checkout).returncode == 0
    secrets = "shop/deploy/production/.secrets"  # which git does not have
    runner.gets(f"mv .ssh/id_ed25519 key && rm -rf {secrets}", directory="~")
    github = yaml.safe_load((KIT / "docs/ci/github.yml").read_text())
    steps = github["jobs"]["espalier"]["steps"][-1]["run"]
    pushed = {"GITHUB_ACTOR": "anna", "DEFAULT_BRANCH": "main"}
    said = workflow(runner, steps, GITHUB_REF_NAME="a-branch", **pushed)
    assert "Nothing would change." in said
    assert "live" in workflow(runner, steps, GITHUB_REF_NAME="main", **pushed)
    gitlab = yaml.safe_load((KIT / "docs/ci/gitlab.yml").read_text())["espalier"]["script"]
    branches = {"CI_DEFAULT_BRANCH": "main", "CI_COMMIT_BRANCH": "main"}
    runner.gets("touch changed")
    steps = "\n".join(gitlab[1:])  # without the installation of the kit
    assert "live" in workflow(runner, steps, GITLAB_USER_LOGIN="bert", **branches)
    assert "bert@GitLab" in anna.gets(f"espalier log {VAULT}")


def test_second_inventory_on_the_same_machine_is_refused(anna: Person, shop: str) -> None:
    project = "group_vars/all/project.yml"
    anna.gets(f"cp -r ~/shop ~/other && cd ~/other/deploy/production && rm {project}")
    anna.gets(
        f"printf 'project:\\n  directory: .\\n  name: other\\n' > deploy/production/{project}",
        directory="other",
    )
    typed = anna.types(f"espalier site {VAULT}", directory="other")
    assert typed.status == 2
    told_once(typed, "--replace-site shop", 10)


def test_remove_takes_the_kit_off_and_keeps_the_data(
    anna: Person, shop: str, addresses: dict[str, str], vps: Callable[[str], str]
) -> None:
    # As a DROP DATABASE leaves one that was cut off: nobody gets in, pg_dump neither.
    for statement in (
        "CREATE DATABASE half",
        "UPDATE pg_database SET datconnlimit = -2 WHERE datname = 'half'",
    ):
        anna.gets(f'espalier psql {VAULT} -c "{statement}"')
    said = anna.gets(f"espalier remove --yes shop {VAULT}")
    assert "kept" in said
    assert vps("cat /var/lib/espalier-kept/*-not-dumped").strip() == "half"
    assert vps("ps -eo comm= | grep -E '^(postgres|nginx|gunicorn)' || true") == ""
    dump = re.search(r"\S+-shop\.dump", said)
    assert dump
    assert dump[0] in vps("cat /var/lib/espalier-kept/README")
    machine = "--hosts=ansible://vps1", "--ansible-inventory=molecule/front_door/inventory"
    tests = [sys.executable, "-m", "pytest", "-q", *machine, "tests/removed"]
    assert subprocess.run(tests, cwd=KIT).returncode == 0
    keys = "-o UserKnownHostsFile=deploy/production/known_hosts"
    anna.gets(f"scp -q {keys} root@{addresses['vps1']}:{dump[0]} ~/shop.dump")


def test_site_comes_back_with_what_was_kept(
    anna: Person, shop: str, addresses: dict[str, str]
) -> None:
    anna.gets(f"espalier site {VAULT}")
    assert "second edition" in front_page(anna, addresses["vps1"])
    asked = "from django.contrib.auth.models import User; print(User.objects.count(), 'users')"
    assert "0 users" in anna.gets(f'espalier shell {VAULT} -- -c "{asked}"')
    # The example's own migrations have put rows there.
    told_once(anna.types(f"espalier import --dump ~/shop.dump {VAULT}"), "--replace", 6)
    said = anna.gets(f"espalier import --dump ~/shop.dump --replace {VAULT}")
    assert "auth_user" in said
    assert "1 users" in anna.gets(f'espalier shell {VAULT} -- -c "{asked}"')
