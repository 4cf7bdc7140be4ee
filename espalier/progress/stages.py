"""The stages of a run: the words that a person sees for the plays of site.yml, and of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

PREFLIGHT = "preflight"  # whatever it refuses, nothing was changed yet
LOOKING = ("always", "survey")  # of site.yml and check.yml, of remove.yml
# Of the play of Django; its other tasks that are in no role are the release.
AROUND_DJANGO = ("site_lock", "ansible.builtin.include_role")


def stage_of(tags: Sequence[str], action: str, args: Mapping[str, Any], in_role: bool) -> str:
    """The stage that a task belongs to; "" for what nobody has to see.

    Args:
        tags: of the play, in any order: one names it, and `always` is what is checked before.
        action: the task's module.
        args: the task's arguments.
        in_role: whether the task belongs to a role.
    """
    if action == "site_lock" and "unlock" in args:
        return ""
    name = next((tag for tag in tags if tag != "django"), "django" if tags else "")
    if name in LOOKING:
        return PREFLIGHT
    if name == "django" and not in_role and action not in AROUND_DJANGO:
        return "release"
    return name
