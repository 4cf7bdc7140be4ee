"""An inventory that is wrong, or its project: the real ``site.yml`` refuses it in a sentence."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.playbooks import EXAMPLE, OTHER, VPS, assert_refused, run_site, write_inventory

THIRD = {"ansible_host": "198.18.99.11"}


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
