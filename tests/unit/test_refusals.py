"""Bad input through the real ``ansible-playbook site.yml``: refused in a sentence, nothing changed.

No machine is touched. The inventories name addresses of the range kept for tests, or a closed port
of this machine. What has to look at a machine looks at this one, and then only ``preflight.yml``
runs, the part of the site that changes nothing: check mode would not be enough, as a few tasks of
the site run in it too.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
VPS = {"ansible_host": "198.18.99.9"}
OTHER = {"ansible_host": "198.18.99.10"}
THIRD = {"ansible_host": "198.18.99.11"}
EXAMPLE = {"directory": str(ROOT / "examples/orchard")}
# This machine in place of one behind SSH: only for `check_this_machine`.
HERE = {"ansible_host": "localhost", "ansible_become": False}


def write_inventory(
    directory: Path,
    project: Mapping[str, Any] = EXAMPLE,
    tiers: Sequence[str] = (),
    machines: Mapping[str, Any] | None = None,
    **duties: Sequence[str],
) -> None:
    """Write an inventory; every duty that is not given is the first machine's.

    JSON is YAML, so no library is needed.
    """
    machines = machines or {"vps1": VPS}
    duties = {duty: [next(iter(machines))] for duty in ("web", "app", "db")} | duties
    everything = {
        "vars": {
            "tiers": list(tiers),
            "ansible_ssh_common_args": "-o ConnectTimeout=2",
            **({"backup": {"to": "machine"}} if "backup" in duties else {}),
        },
        "hosts": machines,
        "children": {
            duty: {"hosts": dict.fromkeys(names)} for duty, names in duties.items() if names
        },
    }
    (directory / "group_vars/all").mkdir(parents=True)
    (directory / "hosts.yml").write_text(json.dumps({"all": everything}))
    (directory / "topology.yml").write_text("plugin: topology\n")
    (directory / "group_vars/all/project.yml").write_text(json.dumps({"project": project}))


def run_site(inventory: Path) -> subprocess.CompletedProcess[str]:
    """Run the site's playbook as a person does."""
    return run_playbook("site.yml", inventory)


def check_this_machine(
    inventory: Path,
    supported: str = "{{ ansible_facts['distribution_release'] }}",
    **settings: str,
) -> subprocess.CompletedProcess[str]:
    """Run the checks that the site's playbook begins with, and nothing after them."""
    known = json.dumps({"distributions_supported": [supported]})
    here = ["--connection", "local", "--check"]
    return run_playbook("playbooks/preflight.yml", inventory, *here, "-e", known, **settings)


def run_playbook(
    playbook: str, inventory: Path, *options: str, **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run a playbook, with a home directory that forgets; settings go into the environment."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
    environment |= {
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "HOME": str(inventory.parent),
        "NO_COLOR": "1",
        **settings,
    }
    return subprocess.run(
        [str(PLAYBOOK), playbook, "-i", str(inventory), *options],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def assert_refused(done: subprocess.CompletedProcess[str], *phrases: str) -> None:
    """Check that the run said all the phrases in one message, and that nothing was changed."""
    said = done.stdout + done.stderr
    assert done.returncode != 0, said
    assert "Traceback" not in said
    assert set(re.findall(r"changed=(\d+)", said)) <= {"0"}, said
    # An inventory that is refused ends the run with the sentence alone.
    alone = done.stderr.splitlines() if not done.stdout else []
    assert len(alone) <= 1, said
    messages = alone or re.findall(r"(?m)^\[(?:ERROR|WARNING)\]: (.*(?:\n(?!Origin|\[).*)*)", said)
    assert any(all(phrase in message for phrase in phrases) for message in messages), said


def git(*arguments: str, cwd: Path) -> str:
    """Run git as nobody in particular; gives what it says."""
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    command = ["git", *identity, *arguments]
    done = subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("inventory", "phrases"),
    [
        pytest.param(
            {"tiers": ["pgbuncer"]},
            ("`tiers` in hosts.yml", "'pgbuncer'", "Did you mean `pgbouncer`?"),
            id="unknown tier",
        ),
        pytest.param(
            {"tiers": ["replicas"]},
            ("`replicas` needs two machines", "`db`", "(vps1)", "remove `replicas`"),
            id="replicas with one db machine",
        ),
        pytest.param(
            {
                "tiers": ["replicas", "failover"],
                "machines": {"vps1": VPS, "vps2": OTHER, "vps3": THIRD},
                "db": ["vps1", "vps2", "vps3"],
            },
            (
                "`tiers` in hosts.yml names",
                "failover",
                "not switch on yet",
                "Write `tiers: [",
            ),
            id="tier that this version cannot switch on",
        ),
        pytest.param(
            {"db": []},
            ("No machine has the duty `db`", "hosts.yml", "db: {hosts: {vps1: }}"),
            id="no machine for a duty",
        ),
        pytest.param(
            {"project": EXAMPLE | {"domain": ["shop.example.com"]}},
            ("group_vars/all/project.yml", "project.domain", "did you mean `domains`?"),
            id="misspelt key",
        ),
        pytest.param(
            {"project": EXAMPLE | {"domains": ["https://shop.example.com/"]}},
            ("project.yml", "project.domains", "https://", "write the host name alone"),
            id="domain with a scheme",
        ),
        pytest.param(
            {"project": EXAMPLE | {"domains": ["my shop"]}},
            ("project.yml", "project.domains", "my shop"),
            id="domain that is no host name",
        ),
        pytest.param(
            {"project": EXAMPLE | {"upload_limit_mb": "lots"}},
            ("project.yml", "project.upload_limit_mb", "lots"),
            id="limit that is no number",
        ),
    ],
)
def test_what_the_inventory_says_wrongly(
    tmp_path: Path, inventory: dict[str, Any], phrases: tuple[str, ...]
) -> None:
    write_inventory(tmp_path / "inventory", **inventory)
    assert_refused(run_site(tmp_path / "inventory"), *phrases)


def test_inventory_that_is_not_of_this_kit(tmp_path: Path) -> None:
    inventory = tmp_path / "machines.yml"
    inventory.write_text("web: {hosts: {vps1: {ansible_host: 198.18.99.9}}}\n")
    done = run_site(inventory)
    assert_refused(
        done, "machines.yml is no inventory of this kit", "no topology.yml stands beside"
    )


def test_missing_git_repository(tmp_path: Path) -> None:
    write_inventory(tmp_path / "inventory", {"git": f"{tmp_path}/shop.git"})
    done = run_site(tmp_path / "inventory")
    assert_refused(done, "project.yml", "project.git", f"{tmp_path}/shop.git", "check the spelling")


def test_missing_version(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    git("init", "--quiet", "--initial-branch=main", cwd=shop)
    git("commit", "--quiet", "--allow-empty", "--message=Open the shop", cwd=shop)
    git("tag", "v1.2", cwd=shop)
    write_inventory(tmp_path / "inventory", {"git": str(shop), "version": "v1.3"})
    done = run_site(tmp_path / "inventory")
    assert_refused(done, "project.yml", "project.version", "v1.3", "v1.2")


@pytest.mark.parametrize(
    ("places", "phrases"),
    [
        pytest.param([], ("no manage.py was found", "check `directory:`"), id="none"),
        pytest.param(["shop", "blog"], ("shop", "blog", "`path:"), id="several"),
    ],
)
def test_manage_py_that_cannot_be_found(
    tmp_path: Path, places: list[str], phrases: tuple[str, ...]
) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code/README.md").write_text("A project.\n")
    for place in places:
        (tmp_path / "code" / place).mkdir()
        (tmp_path / "code" / place / "manage.py").write_text(
            f'os.environ.setdefault("DJANGO_SETTINGS_MODULE", "{place}.settings")\n'
        )
    write_inventory(tmp_path / "inventory", {"directory": str(tmp_path / "code")})
    assert_refused(run_site(tmp_path / "inventory"), "project.yml", *phrases)


def test_machine_that_cannot_be_reached(tmp_path: Path) -> None:
    closed = {"ansible_host": "127.0.0.1", "ansible_port": 9, "ansible_user": "root"}
    write_inventory(tmp_path / "inventory", machines={"vps1": closed})
    done = run_site(tmp_path / "inventory")
    assert_refused(
        done,
        "vps1 cannot be reached at 127.0.0.1: connect to host",
        "Check `ansible_host` and `ansible_user` in hosts.yml",
        "`ssh root@127.0.0.1 -p 9`",
        "Nothing was changed.",
    )


def test_one_unreachable_machine_ends_the_run_for_all(tmp_path: Path) -> None:
    closed = {"ansible_host": "127.0.0.1", "ansible_connection": "ssh", "ansible_port": 9}
    write_inventory(tmp_path / "inventory", machines={"vps1": HERE, "spare": closed})
    done = check_this_machine(tmp_path / "inventory")
    assert_refused(done, "spare cannot be reached", "Nothing was changed.")
    assert "Refuse a distribution" not in done.stdout


def test_machine_on_which_we_may_not_be_root(tmp_path: Path) -> None:
    sudo = {"ansible_become": True, "ansible_become_user": "daemon"}
    locked = HERE | sudo | {"ansible_become_exe": "/bin/false"}
    write_inventory(tmp_path / "inventory", machines={"vps1": locked})
    done = check_this_machine(tmp_path / "inventory")
    assert_refused(done, "vps1", "not work as root", "hosts.yml", "Nothing was changed.")


def test_distribution_that_the_kit_does_not_know(tmp_path: Path) -> None:
    write_inventory(tmp_path / "inventory", machines={"vps1": HERE})
    done = check_this_machine(tmp_path / "inventory", supported="sarge")
    assert_refused(done, "vps1 runs ", "The kit knows Debian 12", "Nothing was changed.")


def test_value_that_a_role_cannot_take(tmp_path: Path) -> None:
    machines = {"vps1": HERE | {"nginx_upload_limit_mb": "lots"}}
    write_inventory(tmp_path / "inventory", machines=machines)
    done = check_this_machine(tmp_path / "inventory")
    assert_refused(
        done,
        "vps1: argument 'nginx_upload_limit_mb'",
        "'lots'",
        "hosts.yml or group_vars/",
        "Nothing was changed.",
    )


def test_private_address_that_the_machine_does_not_have(tmp_path: Path) -> None:
    machines = {"vps1": HERE | {"private_address": "198.18.99.77"}}
    write_inventory(tmp_path / "inventory", machines=machines)
    done = check_this_machine(tmp_path / "inventory")
    assert_refused(done, "vps1 does not have the `private_address` 198.18.99.77", "it has ")


def test_database_machine_that_was_taken_out_of_the_inventory(tmp_path: Path) -> None:
    # What the machine recorded at the last run, when db1 was still there.
    record = {"services": ["django", "nginx"], "projects": ["orchard"], "primary": "db1"}
    write_inventory(tmp_path / "inventory", machines={"vps1": HERE | {"recorded": record}})
    done = check_this_machine(tmp_path / "inventory")
    assert_refused(done, "The database of this site is on db1", "Put db1 back into hosts.yml")


@pytest.mark.parametrize("name", ["vps1", "vps2"])
@pytest.mark.parametrize("is_restore", [False, True])
def test_restore_onto_a_new_machine_where_another_one_is_left(
    tmp_path: Path, name: str, is_restore: bool
) -> None:
    # vps1 is gone. Another machine has its place: of the same name, or of another one.
    record = {"services": ["restic_repository"], "site": "orchard"}
    record |= {"primary": "vps1", "uploads": "vps1"}
    said = {"restore": {}} if is_restore else {}
    left = HERE | {"ansible_host": "127.0.0.1", "recorded": record} | said
    machines = {name: HERE | said, "backup1": left}
    write_inventory(tmp_path / "inventory", machines=machines)
    done = check_this_machine(tmp_path / "inventory")
    if is_restore:
        assert done.returncode == 0, done.stdout + done.stderr
    else:
        assert_refused(done, "The database of this site is on vps1", f"now has {name} as the first")


# How a list of pgBackRest's begins that is encrypted with `secret`.
OF_SECRET = base64.b64decode("U2FsdGVkX1+DTSAddFegivn+7G/uea6MSbcMFk1HdDI=")


def keep_backups(folder: Path, backup1: Mapping[str, Any], **both: Any) -> dict[str, Any]:
    """Give vps1, which is new, and backup1, whose backups are in a directory of the test's own.

    For `write_inventory` with `backup`; both machines and backup1 have variables in addition.
    """
    settings = {"to": "machine", "path": str(folder), "waiting_wal": None, "drill": True}
    settings |= {"at": "02:30", "keep": {"days": 14, "full": 2}}
    settings |= dict.fromkeys(("bucket", "endpoint", "region", "host", "user", "host_key"), "")
    said = {"backup_settings": settings | {"port": 22}} | both
    return {"vps1": HERE | said | VPS, "backup1": HERE | said | OTHER | {**backup1}}


def test_backups_that_wait_on_a_machine_that_knows_their_destination(tmp_path: Path) -> None:
    record = {"services": ["pgbackrest_repository"], "site": "orchard", "backup": "known"}
    (tmp_path / "kept/database/backup/orchard").mkdir(parents=True)
    (tmp_path / "kept/database/backup/orchard/backup.info").write_bytes(OF_SECRET)
    machines = keep_backups(tmp_path / "kept", {"recorded": record, "backup_fingerprint": "known"})
    inventory = tmp_path / "inventory"
    write_inventory(inventory, machines=machines, backup=["backup1"])
    (inventory / ".secrets").mkdir(mode=0o700)
    (inventory / ".secrets/backup_passphrase").write_text("secret\n")
    done = check_this_machine(inventory)
    sentence = "has backups of orchard"
    assert_refused(done, sentence, "vps1 has no database yet", "espalier restore --to latest")


def test_destination_without_room_for_what_is_there(tmp_path: Path) -> None:
    # A sparse file, larger than this machine's disk.
    (tmp_path / "site/media").mkdir(parents=True)
    with (tmp_path / "site/media/film.mp4").open("wb") as file:
        file.truncate(10**13)
    inventory = tmp_path / "inventory"
    directory = {"project_directory": f"{tmp_path}/site"}
    machines = keep_backups(tmp_path / "kept", {}, **directory)
    write_inventory(inventory, machines=machines, backup=["backup1"])
    done = check_this_machine(inventory)
    assert_refused(done, "uploads take 10000.0 GB", "Make room there", "Nothing was changed.")


def test_passphrase_that_was_just_made_where_backups_wait(tmp_path: Path) -> None:
    # A computer without the secrets, in a restore or not.
    (tmp_path / "kept/database/backup/orchard").mkdir(parents=True)
    (tmp_path / "kept/database/backup/orchard/backup.info").write_bytes(OF_SECRET)
    inventory = tmp_path / "inventory"
    machines = keep_backups(tmp_path / "kept", {}, restore={})
    write_inventory(inventory, machines=machines, backup=["backup1"])
    done = check_this_machine(inventory)
    assert_refused(done, f"{inventory}/.secrets/backup_passphrase is not what", "encrypted with")
    (inventory / ".secrets/backup_passphrase").write_text("secret\n")
    done = check_this_machine(inventory)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("carries", "word", "is_refused"),
    [
        ("orchard", "", False),  # a colleague's copy of the inventory
        ("", "", False),  # of a version before, on a machine that does not say it
        ("shop", "", True),
        ("shop", "till", True),
        ("shop", "shop", False),
        ("shop", "*", False),
    ],
)
def test_machine_that_carries_another_site(
    tmp_path: Path, carries: str, word: str, is_refused: bool
) -> None:
    # No Django here: the database of the other site is on it, and a cache.
    record = {"services": ["redis"], "projects": [], "site": carries, "primary": "db0"}
    machine = HERE | {"recorded": record} | ({"replace_site": word} if word else {})
    if not is_refused and carries != "shop":
        record["primary"] = "vps1"
        record["services"] = ["postgresql_primary"]
    write_inventory(tmp_path / "inventory", machines={"vps1": machine})
    done = check_this_machine(tmp_path / "inventory")
    if is_refused:
        sentence = "vps1 carries the site shop, and this inventory is of orchard"
        assert_refused(done, sentence, "--replace-site shop", "Nothing was changed.")
    else:
        assert done.returncode == 0, done.stdout + done.stderr


def test_uploads_that_would_stay_behind_on_a_machine_that_is_gone(tmp_path: Path) -> None:
    record = {"services": ["django", "nginx"], "projects": ["orchard"], "uploads": "web0"}
    write_inventory(tmp_path / "inventory", machines={"vps1": HERE | {"recorded": record}})
    done = check_this_machine(tmp_path / "inventory")
    assert_refused(done, "uploads of this site are on web0", "Put web0 back", "rsync -a")


@pytest.mark.parametrize(
    ("said", "is_refused"),
    [
        ({"ssh_from": ["203.0.113.0/24"]}, True),
        ({"ssh_from": ["203.0.113.0/24", "198.18.99.0/24"]}, False),
    ],
)
def test_firewall_that_would_lock_the_run_out(
    tmp_path: Path, said: dict[str, Any], is_refused: bool
) -> None:
    write_inventory(tmp_path / "inventory", machines={"vps1": HERE | {"firewall": said}})
    came_by = {"SSH_CONNECTION": "198.18.99.1 50000 198.18.99.9 22"}
    done = check_this_machine(tmp_path / "inventory", **came_by)
    if is_refused:
        sentence = "vps1 is reached from the address 198.18.99.1, which `firewall: {ssh_from: …}`"
        assert_refused(done, sentence, "Write 198.18.99.1, or a range", "Nothing was changed.")
    else:
        assert done.returncode == 0, done.stdout + done.stderr


def test_clock_that_is_minutes_off(tmp_path: Path) -> None:
    (tmp_path / "late").mkdir()
    (tmp_path / "late/sitecustomize.py").write_text(
        "import time\nright = time.time\ntime.time = lambda: right() - 300\n"
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH={tmp_path}/late exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    late = HERE | {"ansible_python_interpreter": str(python)}
    write_inventory(tmp_path / "inventory", machines={"vps1": late})
    done = check_this_machine(tmp_path / "inventory")
    assert_refused(done, "The clock of vps1 is 5.0 minutes", "behind", "Nothing was changed.")
