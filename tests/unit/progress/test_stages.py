"""The stages of a run, as they are called in front of a person."""

from __future__ import annotations

import pytest

from espalier.progress.stages import stage_of


@pytest.mark.parametrize(
    ("tags", "action", "args", "in_role", "stage"),
    [
        (["always"], "project", {}, False, "preflight"),
        (["base"], "ansible.builtin.apt", {}, True, "base"),
        (["base"], "ansible.builtin.include_role", {}, False, "base"),
        (["django"], "site_lock", {"project": "shop"}, False, "django"),
        (["django"], "files", {}, True, "django"),
        (["django"], "ansible.builtin.command", {}, False, "release"),
        (["django"], "site_release", {}, False, "release"),
        (["django"], "site_lock", {"unlock": {}}, False, ""),
        (["django", "secrets"], "ansible.builtin.include_role", {}, False, "secrets"),
        (["secrets", "django"], "ansible.builtin.include_role", {}, True, "secrets"),
        (["lock"], "site_lock", {"project": "shop", "what": "remove"}, False, "lock"),
        (["lock"], "site_lock", {"unlock": {}}, False, ""),
        (["retire"], "ansible.builtin.include_role", {}, True, "retire"),
        ([], "ansible.builtin.command", {}, False, ""),
    ],
)
def test_task_belongs_to_a_stage(
    tags: list[str], action: str, args: dict[str, object], in_role: bool, stage: str
) -> None:
    assert stage_of(tags, action, args, in_role) == stage
