"""Where requirements come from: an index and a repository that ask for a login.

With the project of molecule/requirements.
"""

from __future__ import annotations

from typing import Any

import pytest

testinfra_hosts = ["ansible://django"]


@pytest.fixture(scope="module", autouse=True)
def _errands(project: str) -> None:
    """Skip what only the scenario's project can show."""
    if project != "errands":
        pytest.skip("needs the project of molecule/requirements")


def test_what_was_installed_is_used(site: Any) -> None:
    assert b"<body>index git psycopg-c<" in site.get("/")[1]


def test_the_login_is_for_root_and_the_project_alone(host: Any) -> None:
    with host.sudo():
        netrc = host.file("/etc/espalier/errands/netrc")
        assert (netrc.user, netrc.group, netrc.mode) == ("root", "errands", 0o640)


def test_the_login_is_in_no_release_log_or_cache(host: Any) -> None:
    # Read there, as sudo writes the commands that it is given into the journal.
    read = "p=$(sed -n 's/.* password //p' /etc/espalier/errands/netrc); test ${#p} -gt 8 || exit 9"
    with host.sudo():
        found = host.run(f'{read}; grep -rlF -e "$p" /srv /var/log /run/systemd /tmp')
        assert found.rc == 1, found.stdout  # grep's status when it finds nothing
        journal = host.run(f'{read}; journalctl --no-pager --output=export | grep -cF -e "$p"')
        assert journal.stdout.strip() == "0"
