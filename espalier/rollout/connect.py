"""pyinfra's connections to the machines of a release: all of them, or none."""

from __future__ import annotations

import logging
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from pyinfra.api import Config, Inventory, State
from pyinfra.api.connect import connect_all, disconnect_all
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, StateStage

from espalier.inventory.host_keys import Compared, compare
from espalier.inventory.remote import Remote, connection_data
from espalier.inventory.site import SiteError
from espalier.inventory.ssh_config import destinations, direct_address
from espalier.inventory.unreachable import host_key_refusal
from espalier.rollout import key_exchange

CONNECT_TIMEOUT = 10  # seconds
CHECK_TIMEOUT = 5  # seconds, to see whether a machine still answers


class _Errors(BaseStateCallback):
    """Keeps why a machine cannot be reached."""

    def __init__(self) -> None:
        self.by_machine: dict[str, str] = {}

    def host_connect_error(self, state: State, host: Any, error: Any) -> None:
        self.by_machine[host.name] = str(error)


@contextmanager
def connected(remote: Remote, machines: Sequence[str]) -> Iterator[Mapping[str, Host]]:
    """Connect to the machines that a release touches; gives pyinfra's hosts by machine.

    Raises:
        SiteError: one of them cannot be reached, with what to check: a release of a part of the
            site would leave it with two.
    """
    logging.getLogger("pyinfra").setLevel(logging.CRITICAL)  # the kit's own words tell it
    key_exchange.use_it()
    variables = remote.site.variables
    data = {name: connection_data(variables, name, remote.config) for name in machines}
    state, errors = _connect(data)
    compared = _compare(remote, errors)
    if any(one.matching for one in compared.values()):
        # ssh knows the machine, by a certificate authority for instance, which pyinfra cannot.
        for name, one in compared.items():
            file = remote.config.with_name(f"known_hosts-{name}")
            file.write_text("".join(f"{line}\n" for line in one.lines if one.matching))
            data[name]["ssh_known_hosts_file"] = str(file)
        disconnect_all(state)
        state, errors = _connect(data)
    if errors:
        disconnect_all(state)
        raise SiteError(_refusal(errors, compared))
    state.set_stage(StateStage.Execute)
    try:
        yield {host.name: host for host in state.inventory}
    finally:
        disconnect_all(state)


def _connect(data: Mapping[str, Mapping[str, Any]]) -> tuple[State, Mapping[str, str]]:
    """Connect to machines; gives why those cannot be reached that cannot."""
    config = Config(CONNECT_TIMEOUT=CONNECT_TIMEOUT, FAIL_PERCENT=0)
    state = State(Inventory((list(data.items()), {})), config)
    errors = _Errors()
    state.add_callback_handler(errors)
    state.set_stage(StateStage.Connect)
    try:
        connect_all(state)
    except PyinfraError:
        if not errors.by_machine:
            raise
    return state, errors.by_machine


def _compare(remote: Remote, errors: Mapping[str, str]) -> dict[str, Compared]:
    """The host keys of machines that were refused for theirs, as ssh compares them."""
    variables = remote.site.variables
    return {
        name: compare(remote.config, destinations(variables)[name], variables[name])
        for name, words in errors.items()
        if host_key_refusal(name, words)
    }


def _refusal(errors: Mapping[str, str], compared: Mapping[str, Compared]) -> str:
    """Why machines cannot be reached, and what to check."""
    refused = {
        name: sentence
        for name, words in errors.items()
        if (sentence := host_key_refusal(name, words, compared.get(name)))
    }
    sentences = ["Not every machine can be reached, so nothing was changed.", *refused.values()]
    others = [f"{name}: {words}" for name, words in errors.items() if name not in refused]
    if others:
        what = "that they are on, and `ansible_host` and `ansible_user` in hosts.yml"
        sentences.append(f"{'; '.join(others)}. Check {what}.")
    return " ".join(sentences)


def reachability(remote: Remote) -> Callable[[str], None]:
    """Give what raises OSError unless a machine answers now.

    A machine's own SSH port is asked where it can be; one behind a bastion by a command over SSH.
    """

    names = destinations(remote.site.variables)

    @cache
    def address(machine: str) -> tuple[str, int] | None:
        return direct_address(remote.config, names[machine])

    def check(machine: str) -> None:
        if where := address(machine):
            socket.create_connection(where, CHECK_TIMEOUT).close()
            return
        options = ["-o", "BatchMode=yes", "-o", f"ConnectTimeout={CHECK_TIMEOUT}"]
        argv = [*remote.command(machine, options), "true"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=3 * CHECK_TIMEOUT)
        # A machine that wants a password does answer.
        if done.returncode == 255 and "Permission denied" not in done.stderr:
            raise OSError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "gone")

    return check
