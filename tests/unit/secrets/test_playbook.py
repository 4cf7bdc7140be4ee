"""Typed passwords reach Ansible's programs, and are in no argument and no file."""

from __future__ import annotations

import subprocess
from pathlib import Path

from espalier.inventory.read import Passwords
from espalier.secrets.playbook import handed_over


def test_typed_passwords_are_printed_by_programs() -> None:
    passwords = Passwords(
        vault={"default": "v 'x' $HOME", "team": "t"},
        vault_ids=("prod@/safe/prod",),
        vault_password_files=("/safe/one",),
        become="b",
        connection_file="/safe/ssh",
    )
    with handed_over(passwords) as (options, environment):
        pairs = list(zip(options[::2], options[1::2], strict=True))
        assert [option for option, _ in pairs] == [
            "--vault-id",
            "--vault-id",
            "--vault-id",
            "--vault-password-file",
            "--become-password-file",
            "--connection-password-file",
        ]
        label, _, program = pairs[0][1].partition("@")
        done = subprocess.run([program], env=environment, capture_output=True, text=True)
        assert (label, done.stdout) == ("default", "v 'x' $HOME\n")
        assert pairs[2][1] == "prod@/safe/prod"
        assert pairs[5][1] == "/safe/ssh"
        assert "v 'x'" not in Path(program).read_text() + " ".join(options)
        assert Path(program).stat().st_mode & 0o777 == 0o700
    assert not Path(program).exists()
    with handed_over(Passwords()) as (options, environment):
        assert (options, environment) == ([], {})
