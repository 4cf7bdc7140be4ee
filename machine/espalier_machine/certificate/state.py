"""What the next try has to know, kept on disk; and the fact that Ansible and people read."""

from __future__ import annotations

import dataclasses
import json
import os
import random
from dataclasses import dataclass
from pathlib import Path

from espalier_machine.certificate.config import FACT, HOME
from espalier_machine.certificate.errors import CertificateError
from espalier_machine.common.x509 import Certificate

FILE = HOME / "state.json"
MINUTE, HOUR = 60.0, 3600.0
# While the authority was not asked, trying again costs nobody anything.
SHORTEST, LONGEST = 10 * MINUTE, 2 * HOUR
# Let's Encrypt allows five failed validations in an hour, from all web machines together.
SHORTEST_REFUSED, LONGEST_REFUSED = HOUR, 24 * HOUR
# How often to ask whether it is time, where nothing is wrong: forty times in a life.
PART_OF_LIFE, LONGEST_PAUSE = 40, 12 * HOUR


@dataclass
class State:
    """What the next try has to know. Times are seconds since 1970.

    Attributes:
        failures: tries that have failed since the last one that did not.
        refusals: those of them that the authority has refused.
        next_try: before this time the timer does nothing.
        not_before: before this time the authority is not asked, whoever wants it.
        renewals: certificates that this machine was given by the authority after its first.
        problem: the sentence for a person, "" for none.
        tried: the names that were staged with success.
    """

    failures: int = 0
    refusals: int = 0
    next_try: float = 0
    not_before: float = 0
    renewals: int = 0
    problem: str = ""
    tried: list[str] = dataclasses.field(default_factory=list)

    def succeeded(self, now: float, life: float) -> None:
        """Note that nothing is wrong; `life` is the certificate's, in seconds."""
        self.failures, self.refusals, self.not_before, self.problem = 0, 0, 0, ""
        self.next_try = now + spread(min(life / PART_OF_LIFE, LONGEST_PAUSE))

    def failed(self, now: float, error: CertificateError) -> None:
        """Note what is wrong, and when to try again: later each time."""
        self.failures += 1
        self.problem = str(error)
        count, shortest, longest = self.failures, SHORTEST, LONGEST
        if error.by_authority:
            self.refusals += 1
            count, shortest, longest = self.refusals, SHORTEST_REFUSED, LONGEST_REFUSED
        pause = spread(min(shortest * 2.0 ** min(count - 1, 10), longest))
        self.next_try = now + max(pause, error.wait)
        if error.by_authority:
            self.not_before = self.next_try


def spread(pause: float) -> float:
    """The pause, up to a tenth longer: web machines do not ask at the same time."""
    return pause * (1 + random.random() / 10)


def load(path: Path = FILE) -> State:
    """The state; a new one where there is none, or none that can be read."""
    try:
        return State(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return State()


def save(state: State, path: Path = FILE) -> None:
    """Write the state."""
    write(path, json.dumps(dataclasses.asdict(state), indent=1) + "\n", 0o600)


def save_fact(kind: str, served: Certificate | None, state: State, path: Path = FACT) -> None:
    """Write the fact: what `renew.kind_of` says, names, expiry, renewals, problem."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fact = {
        "kind": kind,
        "names": list(served.names) if served else [],
        "issued": served.begins.isoformat() if served else "",
        "expires": served.ends.isoformat() if served else "",
        "renewals": state.renewals,
        "problem": state.problem,
    }
    write(path, json.dumps(fact, indent=1) + "\n", 0o644)


def write(path: Path, text: str, mode: int) -> None:
    """Replace a file whole, with that mode from its first moment."""
    staged = path.with_name(f".{path.name}.new")
    staged.unlink(missing_ok=True)
    with open(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    staged.rename(path)
