"""Refuses a command that would leave one machine of a site with another release than the rest."""

from __future__ import annotations

import argparse

from espalier_machine.release.config import Config
from espalier_machine.release.errors import UsageError

# What to type on the control machine instead, where it is not `espalier release`.
INSTEAD = {"rollback": "espalier rollback"}


def refuse_one_of_several(config: Config, args: argparse.Namespace) -> None:
    """Raise UsageError where others run the site too, unless --only-here is given.

    A command that brings the token of the site's lock belongs to a release of the whole site.
    """
    if len(config.site_machines) < 2 or args.token or args.only_here:
        return
    raise UsageError(
        f"{config.project} runs on {', '.join(config.site_machines)}, and `release {args.command}` "
        "would change this machine only. Type on the control machine: "
        f"{INSTEAD.get(args.command, 'espalier release')}, or add --only-here to change no other "
        "one."
    )
