"""`espalier status`: what is said beside the table. No machine is asked."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from espalier.cli import status
from espalier.cli.main import main
from espalier.paths import KIT

INVENTORY = str(KIT / "inventories/example")
LIVE = {"id": "r2", "identity": "2", "revision": "abc", "healthy": True, "since": "", "by": ""}


@pytest.mark.parametrize("is_quiet", [True, False])
def test_quiet_site_is_said_to_be_quiet(monkeypatch: pytest.MonkeyPatch, is_quiet: bool) -> None:
    answer = {"ok": True, "live": LIVE, "stale": False, "releases": [], "quiet": is_quiet}
    silent = {"ok": False, "error": "no route"}
    said = [{"vps1": answer}, {"vps1": silent}, {"vps1": silent}, {}, {}]
    monkeypatch.setattr(status, "ask_programs", lambda site, *programs: said)
    done = CliRunner().invoke(main, ["status", "-i", INVENTORY])
    line = "The site is quiet (`quiet` in project.yml): no mail is sent, nothing scheduled runs."
    assert (line in done.stdout.splitlines()) is is_quiet


def test_json_has_both_backups_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = {"ok": True, "live": LIVE, "stale": False, "releases": []}
    copies, files = {"ok": True, "colour": "green"}, {"ok": True, "unsaved": 0}
    said = [{"vps1": answer}, {"vps1": {"ok": True}}, {}, {"vps1": copies}, {"vps1": files}]
    monkeypatch.setattr(status, "ask_programs", lambda site, *programs: said)
    done = CliRunner().invoke(main, ["status", "--json", "-i", INVENTORY])
    assert json.loads(done.stdout)["vps1"]["machine"] == {
        "ok": True,
        "backup": copies,
        "uploads_backup": files,
    }
