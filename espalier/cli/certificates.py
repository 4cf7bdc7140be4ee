"""What web machines serve as their certificate, in lines for people."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from espalier_machine.common.text import counted

# What a web machine is asked for; for a self-signed certificate it has no such file.
WORDS = ["cat", "/etc/ansible/facts.d/espalier_certificate.fact"]
# A renewal is due when a third of the life is left, or half of a short one.
LATE = 0.75
WHAT = {
    "acme": "real",
    "own": "your own",
    "placeholder": "self-signed for now",
    "kept": "the one before, for now",
}


def served(answers: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """What web machines answered; {} for one that has a self-signed certificate, or is silent."""
    return {one: answer if "kind" in answer else {} for one, answer in answers.items()}


def is_amber(fact: Mapping[str, Any], now: datetime.datetime) -> bool:
    """Whether somebody has to look: something is wrong, or a renewal is overdue."""
    if fact.get("problem"):
        return True
    if not fact.get("expires"):
        return False
    begins, ends = (datetime.datetime.fromisoformat(fact[key]) for key in ("issued", "expires"))
    return (now - begins) / (ends - begins) > LATE


def line(machine: str, fact: Mapping[str, Any], now: datetime.datetime) -> str:
    """One line for a machine."""
    if not fact:
        return f"certificate  {machine}  self-signed"
    text = f"certificate  {machine}  {WHAT[fact['kind']]}, until {fact['expires'][:16]} UTC"
    if fact["kind"] == "acme":
        text += f", {counted(fact['renewals'], 'renewal')}"
    if fact["problem"]:
        return f"{text}: LOOK: {fact['problem']}"
    return f"{text}: LOOK: it ends soon, and was not renewed" if is_amber(fact, now) else text
