"""Whether a machine still answers, asked where its SSH really is."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from espalier.inventory.remote import reach
from espalier.inventory.site import Site
from espalier.rollout.connect import reachability


def site(**variables: Any) -> Site:
    return Site(Path("inventories/x"), "shop", {}, {}, {}, {"app1": variables})


def test_machine_is_asked_at_the_port_that_ssh_uses() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    # Written as an option of ssh, as a person's own configuration would have it.
    asked = site(ansible_host="127.0.0.1", ansible_ssh_common_args=f"-o Port={port}")
    with reach(asked) as remote:
        check = reachability(remote)
        check("app1")
        listener.close()
        with pytest.raises(OSError):
            check("app1")
