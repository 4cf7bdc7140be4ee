"""Setting a value in a vault.yml leaves all else as its user wrote it."""

from __future__ import annotations

import pytest
import yaml

from espalier.inventory.site import SiteError
from espalier.secrets.vault_text import read_mapping, set_values

TEXT = """\
---
# Ours, since 2021.
vault_secret_key: 'it''s: # mine'   # from the old server
vault_mail:
  user: shop
  hosts: [a, b]
vault_s3_secret_key: |
  two
  lines
vault_database_password: "x"
# the end"""


def test_values_are_read_as_ansible_reads_them() -> None:
    assert read_mapping(TEXT)["vault_secret_key"] == "it's: # mine"
    assert read_mapping(TEXT)["vault_s3_secret_key"] == "two\nlines\n"
    assert read_mapping("") == read_mapping("---\n") == read_mapping("# nothing\n") == {}


def test_only_what_is_set_changes() -> None:
    changes = {
        "vault_secret_key": "new",
        "vault_s3_secret_key": None,
        "vault_database_password": "1e5",
        "vault_media_token": 'a"b\\ \né',
        "secrets_made": {"secret_key": "2026-11-28"},
    }
    result = set_values(TEXT, changes)
    assert yaml.safe_load(result) == {
        "vault_secret_key": "new",
        "vault_mail": {"user": "shop", "hosts": ["a", "b"]},
        "vault_database_password": "1e5",
        "vault_media_token": 'a"b\\ \né',
        "secrets_made": {"secret_key": "2026-11-28"},
    }
    kept = ("# Ours, since 2021.", "  hosts: [a, b]", "# the end")
    assert [line for line in result.splitlines() if line in kept] == list(kept)
    assert set_values(result, {}) == result


def test_value_that_is_ansible_s_own_kind_stays() -> None:
    text = "vault_a: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  3031\nvault_b: b\n"
    assert set_values(text, {"vault_b": "c"}) == text.replace("vault_b: b", 'vault_b: "c"')


@pytest.mark.parametrize("text", ["{vault_a: secret-word}\n", "vault_a: secret-word\n...\n"])
def test_what_cannot_be_changed_line_by_line_is_refused(text: str) -> None:
    with pytest.raises(SiteError, match="line of its own") as refused:
        set_values(text, {"vault_b": "c"})
    assert "secret-word" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [("- secret-word\n", "no list"), ("a: b\nc: [secret-word\n", "no YAML in line 3")],
)
def test_what_is_no_mapping_is_refused_without_repeating_it(text: str, words: str) -> None:
    with pytest.raises(SiteError, match=words) as refused:
        read_mapping(text)
    assert "secret-word" not in str(refused.value)
