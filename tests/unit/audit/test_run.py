"""A whole audit of two machines, with answers in place of machines and tools."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from espalier.audit import asking, context, run, tools
from espalier.audit.rows import Row
from espalier.inventory.remote import Remote
from espalier.inventory.site import Site
from espalier.inventory.topology import compute

MACHINES: Any = {
    "web1": {"address": "10.0.0.11", "public_address": "198.51.100.11", "private": True},
    "db1": {"address": "10.0.0.12", "public_address": "198.51.100.12", "private": True},
}
DUTIES = {"web": ["web1"], "app": ["web1"], "db": ["db1"]}
LOOK = {
    "release": "trixie",
    "ssh_ports": [22],
    "ssh_passwords": ["no", "no"],
    "ip6": [],
    "link_local": [],
    "sandboxes": {"shop-web@x.service": 1.5},
    "nginx": "",
    "readable_secrets": [],
    "container": False,
}
LYNIS = {"version": "3.1.4", "index": 82, "warnings": {}, "suggestions": {"USB-1000": ["No USB"]}}
GOOD = {"ssh-audit": '{"passed": true, "errors": []}', "gixy": "[]"}


class _Fake:
    """What machines and tools answer; None: nothing."""

    def __init__(self) -> None:
        self.off: set[str] = set()
        self.scanned: list[tuple[str, str]] = []
        self.apart = False
        self.nginx = "#"
        self.ip6: dict[str, list[str]] = {"web1": [], "db1": []}
        # Who has a way over IPv6 to others.
        self.over_ipv6: set[str] = set()
        self.open = {"web1": [22, 80, 443], "db1": [22, 5432]}

    def ask_machine(self, remote: Remote, machine: str, program: str, argument: Any) -> Any:
        if machine in self.off:
            raise asking.MachineError("ssh: connect to host: Connection timed out")
        if program == "scan" and self.apart:
            return []
        if program == "scan":
            return [one for target in argument for one in self.scans(machine, target)]
        look = LOOK | {"nginx": self.nginx * (machine == "web1"), "ip6": self.ip6[machine]}
        return {"look": look, "lynis": LYNIS}[program]

    def scans(self, machine: str, target: dict[str, Any]) -> list[dict[str, Any]]:
        found = [self.scan(machine, "10.0.0.1" + "12"[machine == "db1"], target)]
        if target["ip6"] and machine in self.over_ipv6:
            over = {"address": target["ip6"][0], "source": "2001:db8::9"}
            found.append(found[0] | over | {"open": [22, 80, 443]})
        return found

    def scan(self, origin: str, source: str, target: dict[str, Any]) -> dict[str, Any]:
        name = target["machine"]
        self.scanned.append((origin, name))
        found = {"machine": name, "address": target["address"], "source": source}
        return found | {"open": self.open[name], "closed": 0, "filtered": 65530}

    def run_here(self, argv: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        (target,) = json.loads(argv[-1])
        return subprocess.CompletedProcess(argv, 0, json.dumps(self.scans("here", target)), "")

    def tool(self, name: str, *arguments: str) -> str:
        if name not in GOOD:
            raise tools.ToolError(f"{name} is not here yet")
        return GOOD[name]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> _Fake:
    found = _Fake()

    @contextmanager
    def reach(site: Site) -> Iterator[Remote]:
        yield Remote(site, Path("config"), {})

    monkeypatch.setattr(run, "reach", reach)
    for module in (run, asking):
        monkeypatch.setattr(module, "ask_machine", found.ask_machine)
    monkeypatch.setattr(tools, "run", found.tool)
    # Behind a bastion: nothing is scanned from the computer of the tests.
    monkeypatch.setattr(context, "direct_address", lambda config, name: None)
    return found


def all_rows(
    waivers: list[dict[str, Any]] | None = None, domains: Sequence[str] = ("shop.example",)
) -> list[Row]:
    topology: Any = compute(MACHINES, DUTIES, [])
    settings = {name: {"audit": {"waivers": waivers or []}} for name in MACHINES}
    project = {"directory": "examples/orchard", "domains": list(domains)}
    site = Site(Path("x"), "shop", topology, project, {}, {n: {} for n in MACHINES}, settings)
    return run.audit(site)


def audited(waivers: list[dict[str, Any]] | None = None) -> dict[tuple[str, str, str], Row]:
    return {(row.check, row.machine, row.what): row for row in all_rows(waivers)}


def test_machines_scan_each_other(fake: _Fake) -> None:
    rows = audited()
    assert sorted(fake.scanned) == [("db1", "web1"), ("web1", "db1")]
    assert rows["ports", "db1", "from web1, IPv4"].result == "ok"
    assert rows["nginx", "web1", ""].result == "ok"
    assert ("nginx", "db1", "") not in rows
    assert rows["lynis", "db1", "hardening index"].result == "ok"
    assert rows["ssh", "web1", ""].result == (
        "waived: The control machine does not reach it directly."
    )
    assert [row for row in rows.values() if row.is_failed] == []


def test_waiver_of_hosts_yml(fake: _Fake) -> None:
    fake.open["db1"] += [8080]
    assert audited()["ports", "db1", "from web1, IPv4"].result == "FAILED: 8080"
    rows = audited([{"check": "ports", "what": 8080, "why": "The wiki."}])
    assert rows["ports", "db1", "from web1, IPv4"].result == "waived: The wiki."


def test_what_says_nothing_is_no_success(fake: _Fake) -> None:
    fake.apart, fake.nginx = True, ""
    found = {(row.machine, row.found): row.result for row in all_rows() if row.is_failed}
    assert found == {
        ("web1", "no way from db1 over IPv4"): "FAILED: not checked",
        ("db1", "no way from web1 over IPv4"): "FAILED: not checked",
        ("web1", "`nginx -T` says nothing there"): "FAILED: not checked",
    }


WAIVED = (
    "waived: Nothing leads there over IPv6 from where the scan begins, so it was not looked at."
)


def test_address_of_ipv6_that_was_not_scanned_is_told(fake: _Fake) -> None:
    fake.ip6["web1"] = ["2001:db8::11"]
    row = (rows := audited())["ports", "web1", "from db1, IPv6"]
    assert row.found == "no way from db1 over IPv6"
    assert row.result.startswith(WAIVED)
    assert ("ports", "db1", "from web1, IPv6") not in rows  # which has no such address
    fake.over_ipv6 = {"db1"}
    assert audited()["ports", "web1", "from db1, IPv6"].result == "ok"


def test_control_machine_without_ipv6_is_told(fake: _Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.ip6["web1"] = ["2001:db8::11"]
    here = {"web1": ("198.51.100.11", 22), "db1": ("198.51.100.12", 22)}
    monkeypatch.setattr(context, "direct_address", lambda config, name: here[name])
    monkeypatch.setattr(asking, "_seen_as", lambda remote, machine: "203.0.113.7")
    monkeypatch.setattr(asking.subprocess, "run", fake.run_here)
    monkeypatch.setattr(run, "ask_sslyze", lambda *given: [])
    row = audited()["ports", "web1", "from the control machine, IPv6"]
    assert row.found == "no way from the control machine over IPv6"
    assert row.result.startswith(WAIVED)


def test_tls_is_looked_at_by_a_name_that_the_certificate_has(
    fake: _Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {"web1": ("198.51.100.11", 22), "db1": ("198.51.100.12", 22)}
    monkeypatch.setattr(context, "direct_address", lambda config, name: here[name])
    monkeypatch.setattr(run, "scan_from_here", lambda *given: [])
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(tools, "run", lambda *words: asked.append(words) or "")
    all_rows(domains=["shop.internal", "orchard.net"])
    (words,) = (words for words in asked if words[0] == "sslyze")
    assert "orchard.net" in words
    assert "shop.internal" not in words


def test_machine_that_does_not_answer_is_told_and_not_scanned(fake: _Fake) -> None:
    fake.off = {"db1"}
    rows = audited([{"check": "ports", "what": "*", "why": "All is well."}])
    assert rows["machine", "db1", ""].result == "FAILED: not checked"
    assert rows["machine", "db1", ""].found == "ssh: connect to host: Connection timed out"
    assert fake.scanned == []


def test_tool_that_is_not_there_is_a_failure(fake: _Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "direct_address", lambda config, name: ("198.51.100.1", 22))
    # Two behind one address: from here neither is asked, and so nothing but this one tool.
    assert audited()["tls", "web1", ""].result.startswith("waived: ")
    addresses = iter(["198.51.100.1", "198.51.100.2"])
    monkeypatch.setattr(context, "direct_address", lambda config, name: (next(addresses), 22))
    monkeypatch.setattr(run, "scan_from_here", lambda *given: [])
    row = audited()["tls", "web1", ""]
    assert (row.found, row.result) == ("sslyze is not here yet", "FAILED: not checked")
