"""What pyinfra learns from a machine, and the commands of single steps."""

from __future__ import annotations

import json

from deploys.facts import ReleaseLog, ReleaseStatus
from deploys.operations import maintenance, purge_cache, restart


def test_status_is_what_the_command_prints() -> None:
    fact = ReleaseStatus()
    assert fact.command() == "release status --json"
    assert fact.command("shop") == "release --project shop status --json"
    status = {"live": {"id": "one"}, "stale": False}
    assert fact.process([json.dumps(status)]) == status
    assert fact.process([]) == {}


def test_log_is_a_list() -> None:
    rows = [{"since": "2026-11-28T10:00:00", "id": "one", "slot": "blue", "by": "ann@desk"}]
    assert ReleaseLog().process([json.dumps({"ok": True, "log": rows})]) == rows


def test_operations_are_single_commands() -> None:
    assert list(maintenance._inner("on", "/shop/", 60)) == ["maintenance on /shop/ 60"]
    assert list(maintenance._inner("off")) == ["maintenance off /"]
    assert list(purge_cache._inner("0123")) == ["purge-microcache 0123"]
    assert list(restart._inner("shop")) == ["release --project shop --only-here restart"]
