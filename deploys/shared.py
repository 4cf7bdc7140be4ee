"""The site that ENV or INVENTORY names, once for all files of a pyinfra run."""

from __future__ import annotations

import atexit
import os
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from pyinfra import state

from espalier import paths
from espalier.inventory.read import read
from espalier.inventory.remote import Remote, reach
from espalier.inventory.site import SiteError
from espalier.project.name import project_name
from espalier.rollout import key_exchange
from espalier.rollout.display import Display
from espalier.rollout.request import Request
from espalier.rollout.session import Session


def inventory_path() -> Path:
    """The inventory that INVENTORY names, or that of ENV (default: the lab's)."""
    named = os.environ.get("INVENTORY") or f"inventories/{os.environ.get('ENV') or 'lab'}"
    path = Path(named)
    return path if path.is_absolute() else paths.KIT / path


@cache
def remote() -> Remote:
    """How the machines are reached, for as long as this process lives.

    Ends it with one sentence where the inventory or the project is refused.
    """
    key_exchange.use_it()
    try:
        site = read(inventory_path(), name_of=project_name)
    except SiteError as error:
        raise SystemExit(str(error)) from None
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(reach(site))


def perform(request: Request) -> None:
    """Do what a deploy file asks for, over the connections that pyinfra has made.

    Raises:
        SiteError: it failed; how it went is told on standard error before.
    """
    display = Display()
    hosts = {host.name: host for host in state.inventory}
    outcome = Session(remote(), hosts, request, display).run()
    display.close()
    display.line(outcome.sentence())
    if outcome.exit_status:
        raise SiteError("it failed; the lines above say why", outcome.exit_status)
