"""What holds on every machine of a site, whatever runs there."""

from __future__ import annotations

from typing import Any

testinfra_hosts = ["ansible://all"]


def test_time_zones_have_the_names_that_settings_still_have(host: Any) -> None:
    asked = "import zoneinfo; print(zoneinfo.ZoneInfo('Asia/Calcutta'))"
    assert host.check_output("python3 -c %s", asked) == "Asia/Calcutta"


def test_nothing_listens_but_what_the_topology_says(
    host: Any, topology: Any, hostvars: Any
) -> None:
    expected = {("*", int(hostvars[host.backend.host].get("ansible_port", 22)))}
    for endpoints in topology["machines"][host.backend.host]["listens"].values():
        expected |= {(e["address"], e["port"]) for e in endpoints if e["port"]}
    listening = set()
    for line in host.check_output("ss -H -l -t -n").splitlines():
        address, port = line.split()[3].rsplit(":", 1)
        listening.add((address.replace("0.0.0.0", "*").replace("[::]", "*"), int(port)))
    # Sockets, and what only the machine itself can reach, are nobody else's business.
    local = ("/", "127.", "[::1]")
    assert {e for e in listening if not e[0].startswith(local)} == {
        e for e in expected if not e[0].startswith(local)
    }
