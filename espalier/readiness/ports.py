"""Whether the ports of the web can be reached, as the control machine sees it."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from espalier.inventory.services import SERVICES
from espalier.readiness.findings import Finding, note, ok

CHECK = "reach"
TIMEOUT = 3  # seconds
PORTS = SERVICES["nginx"].ports

Answer = Literal["open", "closed", "silent"]


def ask(hosts: Iterable[str]) -> dict[tuple[str, int], Answer]:
    """Try every port of the web on some hosts, all at once."""
    pairs = [(host, port) for host in dict.fromkeys(hosts) for port in PORTS]
    with ThreadPoolExecutor(max_workers=max(len(pairs), 1)) as pool:
        return dict(zip(pairs, pool.map(lambda pair: _answer(*pair), pairs), strict=True))


def _answer(host: str, port: int) -> Answer:
    try:
        socket.create_connection((host, port), TIMEOUT).close()
    except ConnectionRefusedError:
        return "closed"
    except OSError:
        return "silent"
    return "open"


def reach(
    machine: str, answers: Mapping[int, Answer], listening: Collection[str] | None
) -> Iterable[Finding]:
    """What the answers of a machine's ports mean.

    Args:
        machine: its name.
        answers: by port.
        listening: the ports on which something listens there, as text; None if that is not known.
    """
    by_meaning: dict[tuple[bool, str], list[str]] = {}
    for port, answer in answers.items():
        meaning = _meaning(answer, None if listening is None else str(port) in listening)
        by_meaning.setdefault(meaning, []).append(str(port))
    for (is_good, words), ports in by_meaning.items():
        text = f"port{'s' if len(ports) > 1 else ''} {' and '.join(ports)}: {words}"
        yield ok(CHECK, text, machine) if is_good else note(CHECK, text, machine)


def _meaning(answer: Answer, listens: bool | None) -> tuple[bool, str]:
    """Whether an answer is as it has to be, and what it says."""
    if answer == "silent":
        return False, (
            "no answer from here: a firewall in front of the machine drops it (let TCP through in "
            "your provider's console), or one in front of you"
        )
    if answer == "closed":
        if listens:
            return False, "refused from here, though something listens: a firewall refuses it"
        return True, "can be reached, nothing listens yet"
    if listens is False:
        return False, "something answers from here that is not this machine: a proxy before it?"
    return True, "answers"
