"""What `espalier remove` leaves on a machine: nothing of the kit, and all that a person stored.

Run on machines that the kit has left:
``pytest --hosts=ansible://all --ansible-inventory=<inventory> tests/removed``.
"""

from __future__ import annotations

import pytest
from testinfra.host import Host

KEPT = "/var/lib/espalier-kept"
# Of Debian's, by which a site is served.
SERVICES = ("nginx", "pgbouncer", "redis-server", "redis-server@queue", "postgresql@*-main")


@pytest.fixture(scope="module")
def site(host: Host) -> str:
    """The name of the site that was there."""
    return host.check_output(f"sed -n 's/.*The site was called \\(.*\\)\\.$/\\1/p' {KEPT}/README")


def test_no_record_and_no_program_is_left(host: Host) -> None:
    paths = "/etc/ansible /etc/espalier /opt/espalier /usr/local/lib/espalier /run/espalier"
    commands = "release maintenance purge-microcache postgresql-replica"
    for path in [*paths.split(), *(f"/usr/local/sbin/{name}" for name in commands.split())]:
        assert not host.file(path).exists, path


def test_no_file_of_the_kit_is_left_among_the_machine_s_settings(host: Host) -> None:
    # A cluster that is kept has its configuration with it.
    found = host.run("grep -rlI 'Written by Espalier' /etc /usr/local --exclude-dir='retired-*'")
    assert found.stdout == ""


def test_no_unit_and_no_timer_is_left(host: Host, site: str) -> None:
    units = host.check_output("systemctl list-unit-files --no-legend; systemctl list-timers --all")
    assert f"{site}-" not in units
    assert "espalier" not in units


def test_nothing_runs_or_listens(host: Host, site: str) -> None:
    assert host.run(f"pgrep -u {site}").stdout == ""
    assert host.run("pgrep -a 'nginx|gunicorn|pgbouncer|redis|postgres'").stdout == ""
    for unit in SERVICES:
        assert "Active: active" not in host.run(f"systemctl status '{unit}'").stdout, unit


def test_no_packet_is_filtered(host: Host) -> None:
    assert "espalier" not in host.run("nft list tables").stdout


def test_kernel_has_its_own_settings(host: Host) -> None:
    assert host.run("sysctl -n net.ipv4.tcp_keepalive_time").stdout.strip() == "7200"


def test_no_login_and_no_right_was_left(host: Host, site: str) -> None:
    assert host.user(site).shell == "/usr/sbin/nologin"
    assert host.run(f"grep -rl -e espalier -e {site} /etc/sudoers /etc/sudoers.d").stdout == ""


def test_what_was_kept_is_there_and_only_root_s(host: Host) -> None:
    assert host.file(KEPT).mode == 0o700
    named = host.check_output(f"grep '^/' {KEPT}/README").splitlines()
    assert named
    for path in named:
        assert host.file(path).exists, path


def test_debian_s_own_configuration_is_back(host: Host) -> None:
    # dpkg names conffiles that are missing, or another than the package's own.
    changed = [line for line in host.run("dpkg --verify").stdout.splitlines() if " c /etc" in line]
    assert changed == []
