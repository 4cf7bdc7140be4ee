"""espalier plan: what a run would change, and what that interrupts."""

from __future__ import annotations

from espalier.cli.command import Environment, environment_command
from espalier.cli.site import (
    diff_option,
    limit_option,
    replace_option,
    replacing,
    selection,
    tags_option,
    verbose_option,
)
from espalier.progress.collect import plan


@environment_command()
@limit_option
@tags_option
@replace_option
@diff_option
@verbose_option
def command(
    environment: Environment, limit: str, tags: str, replace_site: str, diff: bool, verbose: int
) -> int:
    """Say what `espalier site` would change and interrupt."""
    arguments = [*selection(limit, tags, diff), *replacing(replace_site)]
    with environment.playbook("plan", arguments) as playbook:
        return plan(playbook, verbosity=verbose)
