"""When the guard is asked, and what it refuses."""

from __future__ import annotations

import json

import pytest

from .fakes import archive, run_json

GUARD = {"overlay/espalier_overlay/guard.py": ""}
ISSUE = {"code": "DROP_COLUMN", "message": "DROPPING columns: shop_order.total", "fix": "later"}
UNSAFE = [{"migration": "shop.0002", "locks": [], "issues": [ISSUE], "unknown": ""}]


@pytest.fixture
def release(tmp_path, capsys):
    """Deploy code that has a file more, as an identity of its own."""

    def release(identity: str, *options: str, **files: str):
        path = archive(tmp_path / "a.tar.gz", identity * 16, files=GUARD | files)
        return run_json(capsys, "deploy", str(path), "--id", f"r{identity}", *options)

    return release


def asked(tmp_path) -> list[str]:
    log = tmp_path / "guard.log"
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return [line.replace("-m espalier_overlay.guard ", "") for line in lines]


def test_migration_in_a_package_of_another_name_is_guarded(machine, tmp_path, release):
    assert release("1")[0] == 0
    assert asked(tmp_path) == []  # nothing else runs
    (tmp_path / "guard.check").write_text(json.dumps(UNSAFE))
    (tmp_path / "guard.columns").write_text(json.dumps({"tables": {}, "migrations": []}))
    # As MIGRATION_MODULES allows.
    moved = {"code/shop/schema/0002_total.py": "class Migration: pass\n"}
    status, result = release("2", **moved)
    assert (status, result["step"]) == (1, "migrate")
    assert "shop_order.total" in result["detail"]
    assert asked(tmp_path) == ["r1 columns", "r2 check"]
    assert release("2", "--accept", "shop.0002", **moved)[0] == 0


def test_guard_is_not_asked_where_no_migration_differs(machine, tmp_path, capsys, release):
    # A start of Django that most releases can do without.
    release("1", **{"code/shop/migrations/0001.py": "class Migration: pass\n"})
    files = {"code/shop/migrations/0001.py": "class Migration: pass\n", "code/shop/new.py": "x = 1"}
    assert release("2", **files)[0] == 0
    assert run_json(capsys, "rollback")[0] == 0
    assert asked(tmp_path) == []


def test_guard_is_asked_where_settings_name_other_migrations(machine, tmp_path, release):
    release("1")
    assert release("2", **{"code/settings.py": "MIGRATION_MODULES = {}\n"})[0] == 0
    assert asked(tmp_path) == ["r1 columns"]


def test_rollback_asks_what_was_migrated_since(machine, tmp_path, capsys, release):
    release("1")
    release("2", **{"code/shop/migrations/0002.py": "class Migration: pass\n"})
    asked(tmp_path)
    (tmp_path / "guard.columns").write_text(json.dumps({"tables": {}, "migrations": []}))
    (tmp_path / "guard.beyond").write_text(json.dumps(UNSAFE))
    status, result = run_json(capsys, "rollback")
    assert (status, result["step"]) == (1, "rollback")
    assert asked(tmp_path) == ["r1 columns", "r2 beyond"]
    assert run_json(capsys, "rollback", "--accept", "shop.0002")[0] == 0
