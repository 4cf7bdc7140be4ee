"""The module that opens and closes accounts: whose processes end with an account."""

from __future__ import annotations

from plugins.modules import ssh_accounts


def test_parent_is_read_whatever_a_process_is_called() -> None:
    stats = ["7 (sshd) S 1 7 7", "9 (evil) S 1 ) R 7 9"]
    assert ssh_accounts.parents(stats) == {7: 1, 9: 7}


def test_all_descendants_end_too() -> None:
    parent_of = {2: 1, 3: 2, 4: 3, 5: 1}
    assert ssh_accounts.with_descendants([2], parent_of) == {2, 3, 4}
    assert ssh_accounts.with_descendants([], parent_of) == set()
