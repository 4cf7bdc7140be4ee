"""What ssh-audit says of a machine's sshd, by its policy for the machine's Debian."""

from __future__ import annotations

import json

from espalier.audit.rows import Row, not_checked

CHECK = "ssh"


def arguments(policy: str, address: str, port: int) -> list[str]:
    """What ssh-audit is asked."""
    return ["-j", "-P", policy, "-p", str(port), address]


def rows(machine: str, policy: str, output: str) -> list[Row]:
    """One row: every field of the policy that the machine does not follow is a fault."""
    try:
        answer = json.loads(output)
        errors, passed = answer["errors"], answer["passed"]
    except (ValueError, KeyError, TypeError):
        return [not_checked(CHECK, machine, f"ssh-audit: {output.strip()[-200:]}", policy)]
    faults = tuple(dict.fromkeys(one["mismatched_field"] for one in errors))
    if not passed and not faults:
        faults = ("policy",)
    found = "; ".join(f"{one['mismatched_field']}: {', '.join(one['actual'])}" for one in errors)
    return [Row(CHECK, machine, "", found or f"{len(errors)} errors", policy, faults)]


def password_row(machine: str, takes_passwords: bool) -> Row:
    """Whether sshd takes passwords, of which ssh-audit does not ask."""
    found = "taken" if takes_passwords else "refused"
    faults = ("passwords",) if takes_passwords else ()
    return Row(CHECK, machine, "passwords", found, "refused", faults)
