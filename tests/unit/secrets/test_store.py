"""Secrets of an inventory on the disk: in files, then in a vault that Ansible itself reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from espalier.inventory.read import Passwords
from espalier.inventory.secret_files import read_secret
from espalier.inventory.site import SiteError
from espalier.secrets.store import Store, read_store
from espalier.secrets.table import rows
from espalier.wiring.backup_key import public_line
from tests.unit.inventory.run_ansible import ansible

HOSTS = """\
all:
  vars: {tiers: []}
  hosts: {vps1: {ansible_host: 198.18.99.1}}
  children: {web: {hosts: {vps1: }}, app: {hosts: {vps1: }}, db: {hosts: {vps1: }}}
"""
KITS = {
    "database_password",
    "secret_key",
    "redis_password",
    "replication_password",
    "reader_password",
    "media_token",
    "authority",
    "acme_account",
    "backup_passphrase",
    "backup_ssh_key",
}


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    folder = tmp_path / "production"
    (folder / ".secrets").mkdir(parents=True)
    (folder / "hosts.yml").write_text(HOSTS)
    (folder / "topology.yml").write_text("plugin: topology\n")
    (folder / ".secrets/database_password").write_text("first one\n")
    # As Ansible's lookup writes it with a salt.
    (folder / ".secrets/secret_key").write_text("b-word salt=abc\n")
    (folder / ".secrets/redis_password").write_text("\n")
    return folder


@pytest.fixture
def passwords(tmp_path: Path) -> Passwords:
    (tmp_path / "word").write_text("of the vault\n")
    return Passwords(vault_password_files=(str(tmp_path / "word"),))


def debug(inventory: Path, tmp_path: Path, variable: str) -> str:
    arguments = ("vps1", "-i", str(inventory), "--vault-password-file", str(tmp_path / "word"))
    words = ("-m", "debug", "-a", f"var={variable}", "-c", "local")
    return ansible("ansible", *arguments, *words, cwd=tmp_path).stdout


def test_list_names_places_and_days_and_no_value(inventory: Path) -> None:
    found = rows(read_store(inventory, Passwords()))
    assert [(row.name, row.place) for row in found] == [
        ("database_password", ".secrets/database_password"),
        ("secret_key", ".secrets/secret_key"),
        ("redis_password", "not made yet"),
        ("replication_password", "not made yet"),
        ("reader_password", "not made yet"),
        ("media_token", "not made yet"),
        ("authority", "not made yet"),
        ("acme_account", "not made yet"),
        ("backup_passphrase", "not made yet"),
        ("backup_ssh_key", "not made yet"),
    ]
    assert [len(row.made) for row in found] == [10, 10, 0, 0, 0, 0, 0, 0, 0, 0]
    assert not any(word in str(found) for word in ("first one", "b-word"))


def test_encrypt_moves_what_there_is_unchanged_and_makes_the_rest(
    inventory: Path, passwords: Passwords, tmp_path: Path
) -> None:
    folder = inventory / "group_vars/all"
    folder.mkdir(parents=True)
    (folder / "vault.yml").write_text("# mine\nvault_mail: m@il\n")
    assert read_store(inventory, passwords).encrypt() == ["database_password", "secret_key"]
    text = (folder / "vault.yml").read_text()
    assert text.startswith("$ANSIBLE_VAULT")
    assert (folder / "vault.yml").stat().st_mode & 0o077 == 0o044  # as its user had it
    assert "b-word" in debug(inventory, tmp_path, "vault_secret_key")
    store = read_store(inventory, passwords)
    assert store.vault.text and store.vault.text.startswith("# mine\nvault_mail: m@il\n")
    assert store.values_in_use.keys() == KITS | {"vault_mail"}
    assert store.values["database_password"] == "first one"
    assert store.values["secret_key"] == "b-word"
    # A value of several lines comes back as it is.
    assert public_line(store.values["backup_ssh_key"]).startswith("ssh-ed25519 AAAA")
    assert {row.place for row in rows(store)} == {"group_vars/all/vault.yml"}
    aside = inventory / ".secrets/moved-to-vault"
    assert (aside / "secret_key").read_text() == "b-word salt=abc\n"
    assert {p.name for p in aside.iterdir()} == {"database_password", "secret_key"}
    # It was cut off before the files were set aside, and one is another now.
    for name in ("database_password", "secret_key"):
        (aside / name).rename(inventory / ".secrets" / name)
    (inventory / ".secrets/secret_key").write_text("of mine\n")
    assert read_store(inventory, passwords).encrypt() == ["database_password"]
    assert read_secret(inventory / ".secrets", "secret_key") == "of mine"
    # Once more: nothing is to be done, and nothing is.
    assert read_store(inventory, passwords).encrypt() == []
    assert (folder / "vault.yml").read_text() == text


def test_credentials_of_several_lines_are_moved_too_and_never_made(
    inventory: Path, passwords: Passwords, tmp_path: Path
) -> None:
    lines = 'dns_rfc2136_name = web\ndns_rfc2136_secret = "ab: c=="'
    (inventory / ".secrets/dns_credentials").write_text(f"{lines}\n")
    row = rows(read_store(inventory, passwords))[-1]
    assert (row.name, row.place) == ("dns_credentials", ".secrets/dns_credentials")
    assert "dns_credentials" in read_store(inventory, passwords).encrypt()
    store = read_store(inventory, passwords)
    assert store.values_in_use["dns_credentials"] == lines
    assert store.place("dns_credentials") == "group_vars/all/vault.yml"
    assert lines.splitlines()[1] in debug(inventory, tmp_path, "vault_dns_credentials")


def test_new_vault_is_for_its_owner_only(inventory: Path, passwords: Passwords) -> None:
    read_store(inventory, passwords).encrypt()
    assert (inventory / "group_vars/all/vault.yml").stat().st_mode & 0o777 == 0o600


def test_files_stay_where_the_vault_reads_back_as_something_else(
    inventory: Path, passwords: Passwords
) -> None:
    store = read_store(inventory, passwords)
    # What goes before group_vars/all.
    (inventory / "host_vars").mkdir()
    (inventory / "host_vars/vps1.yml").write_text("vault_secret_key: another\n")
    with pytest.raises(SiteError, match="does not read back"):
        store.encrypt()
    assert read_secret(inventory / ".secrets", "secret_key") == "b-word"


def test_write_goes_to_where_the_secret_is_kept(inventory: Path, passwords: Passwords) -> None:
    changes = {"secret_key": "b", "secret_key_old": "b-word"}
    read_store(inventory, passwords).write({"secret_key": changes})
    path = inventory / ".secrets/secret_key_old"
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("b-word\n", 0o600)
    read_store(inventory, passwords).encrypt()
    before = read_store(inventory, passwords)
    assert (before.values["secret_key"], before.values["secret_key_old"]) == ("b", "b-word")
    before.write(
        {
            "secret_key": {"secret_key": "c", "secret_key_old": None},
            "redis_password": {"redis_password": "d", "redis_password_old": "e"},
        }
    )
    after = read_store(inventory, passwords)
    # All of them, though they are written in one step.
    assert after.values["secret_key"] == "c"
    assert "secret_key_old" not in after.values
    assert (after.values["redis_password"], after.values["redis_password_old"]) == ("d", "e")
    assert after.values["database_password"] == "first one"
    assert not list((inventory / ".secrets").glob("*_old"))


def test_what_the_user_keeps_elsewhere_is_not_written(
    inventory: Path, passwords: Passwords
) -> None:
    (inventory / "host_vars").mkdir()
    (inventory / "host_vars/vps1.yml").write_text("vault_secret_key: another\n")
    with pytest.raises(SiteError, match=r"not in group_vars/all/vault.yml: move it there"):
        read_store(inventory, passwords).check_writable("secret_key")


def test_template_in_the_vault_is_not_replaced(inventory: Path, passwords: Passwords) -> None:
    read_store(inventory, passwords).encrypt()
    store = read_store(inventory, passwords)
    store.write({"secret_key": {"secret_key": "{{ 'from' }} elsewhere"}})
    with pytest.raises(SiteError, match="template"):
        read_store(inventory, passwords).check_writable("secret_key")


def test_wrong_or_missing_vault_password_is_told(
    inventory: Path, passwords: Passwords, tmp_path: Path
) -> None:
    read_store(inventory, passwords).encrypt()
    with pytest.raises(SiteError, match="needs the password"):
        read_store(inventory, Passwords())
    with pytest.raises(SiteError, match="is another one"):
        read_store(inventory, Passwords(vault={"default": "wrong"}))


def test_typed_password_and_vault_id_of_the_user_are_kept(inventory: Path) -> None:
    store: Store = read_store(inventory, Passwords(vault={"team": "typed"}))
    store.encrypt()
    text = (inventory / "group_vars/all/vault.yml").read_text()
    assert text.startswith("$ANSIBLE_VAULT;1.2;AES256;team\n")
    # Another password that is known as well, and comes first.
    again = read_store(inventory, Passwords(vault={"other": "x", "team": "typed"}))
    again.write({"secret_key": {"secret_key": "b"}})
    text = (inventory / "group_vars/all/vault.yml").read_text()
    assert text.startswith("$ANSIBLE_VAULT;1.2;AES256;team\n")


@pytest.mark.parametrize("name", ["all.yml", "all.yaml", "all.json", "all"])
def test_file_that_ansible_would_not_read_beside_the_vault_is_named(
    inventory: Path, passwords: Passwords, name: str
) -> None:
    path = inventory / "group_vars" / name
    path.parent.mkdir()
    path.write_text('{"mine": "1"}\n')
    with pytest.raises(SiteError, match=rf"group_vars/{name} is a file.*move the file into it"):
        read_store(inventory, passwords).encrypt()
    assert [one.name for one in path.parent.iterdir()] == [name]
    if name == "all":
        return
    path.parent.joinpath("all").mkdir()  # it is not read now either
    read_store(inventory, passwords).encrypt()


def test_links_stay_links(inventory: Path, passwords: Passwords, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.write_text("first one\n")
    kept = inventory / ".secrets/database_password"
    kept.unlink()
    kept.symlink_to(shared)
    changes = {"database_password": {"database_password": "another"}}
    read_store(inventory, passwords).write(changes)
    assert kept.is_symlink()
    assert shared.read_text() == "another\n"


def test_file_that_cannot_be_read_is_named(inventory: Path) -> None:
    (inventory / ".secrets/media_token").mkdir()
    with pytest.raises(SiteError, match=r"\.secrets/media_token cannot be read"):
        read_secret(inventory / ".secrets", "media_token")
