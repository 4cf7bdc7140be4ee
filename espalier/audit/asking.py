"""Each question of an audit: whom it is put to, and the rows that its answer makes."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

from espalier import paths
from espalier.audit import lynis, nginx, ports, ssh, tls, tools
from espalier.audit.context import Context
from espalier.audit.expectations import expectations
from espalier.audit.rows import Row, not_checked
from espalier.inventory.remote import Remote, explain

PROGRAMS = paths.MACHINE / "espalier_machine" / "audit"
BASTION = "behind a bastion"


class MachineError(Exception):
    """A program of ours has no answer on a machine; what it said."""


def ask_machine(remote: Remote, machine: str, program: str, argument: Any) -> Any:
    """Run a program of `espalier_machine.audit` on a machine; gives its answer.

    Raises:
        MachineError: it has none.
    """
    _, output, errors = remote.run(machine, _program("python3", program, argument))
    try:
        return json.loads(output)
    except ValueError:
        raise MachineError(explain(errors)) from None


def ask_lynis(context: Context, machine: str) -> list[Row]:
    """Have a machine run lynis."""
    least = expectations().lynis
    try:
        return lynis.rows(machine, least, ask_machine(context.remote, machine, "lynis", None))
    except MachineError as error:
        return [not_checked(lynis.CHECK, machine, str(error), f"at least {least}")]


def scan_from(context: Context, machine: str, others: Sequence[str]) -> list[Row]:
    """Have a machine scan the others."""
    targets = [_target(context, other) for other in others]
    try:
        answers = ask_machine(context.remote, machine, "scan", targets)
    except MachineError as error:
        return [not_checked(ports.CHECK, one, f"{machine}: {error}", "a scan") for one in others]
    rows = [
        ports.row(machine, one, context.openings(one["machine"]), one["source"]) for one in answers
    ]
    return [*rows, *_not_scanned(context, machine, others, answers)]


def scan_from_here(context: Context, machine: str) -> list[Row]:
    """Scan a machine from the control machine."""
    if not (at := context.reached[machine]):
        return [behind_bastion(ports.CHECK, machine)]
    argv = _program(sys.executable, "scan", [_target(context, machine) | {"address": at[0]}])
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        return [not_checked(ports.CHECK, machine, explain(done.stderr), "a scan")]
    answers = json.loads(done.stdout)
    rows = _not_scanned(context, ports.HERE, [machine], answers)
    for one in answers:
        # A router between may give another address of IPv4.
        seen = "" if ":" in one["address"] else _seen_as(context.remote, machine)
        source = seen or one["source"]
        rows.append(ports.row(ports.HERE, one, context.openings(machine), source))
    return rows


def ask_ssh_audit(context: Context, machine: str) -> list[Row]:
    """Ask ssh-audit of a machine."""
    release = context.said[machine]["release"]
    policy = expectations().ssh.get(release)
    if not policy:
        return [not_checked(ssh.CHECK, machine, f"no policy for Debian {release}", "a policy")]
    if not (at := context.reached[machine]):
        return [behind_bastion(ssh.CHECK, machine)]
    try:
        said = tools.run("ssh-audit", *ssh.arguments(policy, *at))
    except tools.ToolError as error:
        return [not_checked(ssh.CHECK, machine, str(error), policy)]
    return ssh.rows(machine, policy, said)


def ask_sslyze(context: Context, machine: str) -> list[Row]:
    """Ask sslyze of a web machine."""
    level = expectations().tls
    if not (at := context.reached[machine]):
        return [behind_bastion(tls.CHECK, machine)]
    # Of several names the first that the certificate is for; a site without any answers to all.
    name = context.certificate(machine)["names"][0] if context.project.domains else ""
    try:
        said = tools.run("sslyze", *tls.arguments(level, at[0], name))
    except tools.ToolError as error:
        return [not_checked(tls.CHECK, machine, str(error), tls.expected(level))]
    return tls.rows(machine, level, said)


def ask_gixy(context: Context, machine: str) -> list[Row]:
    """Ask gixy of the configuration that a machine's nginx reads."""
    if not context.said[machine]["nginx"]:
        return [not_checked(nginx.CHECK, machine, "`nginx -T` says nothing there", nginx.EXPECTED)]
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:  # nobody else can read it
        file.write(context.said[machine]["nginx"])
        file.flush()
        try:
            said = tools.run("gixy", *nginx.arguments(file.name))
        except tools.ToolError as error:
            return [not_checked(nginx.CHECK, machine, str(error), nginx.EXPECTED)]
    return nginx.rows(machine, said)


def behind_bastion(check: str, machine: str) -> Row:
    """The row of a machine that this one does not reach by itself."""
    return Row(check, machine, "", "not asked from here", "", (BASTION,))


def _program(python: str, name: str, argument: Any) -> list[str]:
    """A program of ours as one command: nothing of it is left on the machine."""
    return [python, "-c", (PROGRAMS / f"{name}.py").read_text(), json.dumps(argument)]


def _not_scanned(
    context: Context, origin: str, machines: Sequence[str], answers: Sequence[dict[str, Any]]
) -> list[Row]:
    """Rows for the machines to whose addresses there was no way."""
    scanned = {(one["machine"], ":" in one["address"]) for one in answers}
    rows = [
        not_checked(ports.CHECK, one, f"no way from {origin} over IPv4", "a scan")
        for one in machines
        if (one, False) not in scanned
    ]
    # A link-local address is for those on the same network alone.
    with_ipv6 = [one for one in machines if context.said[one]["ip6"]]
    return rows + [
        ports.not_over_ipv6(origin, one) for one in with_ipv6 if (one, True) not in scanned
    ]


def _target(context: Context, machine: str) -> dict[str, Any]:
    """A machine as `scan` takes it, at its address on the site's network."""
    said = context.said[machine]
    address = context.site.topology["machines"][machine]["address"]
    return {"machine": machine, "address": address} | {
        name: said[name] for name in ("ip6", "link_local")
    }


def _seen_as(remote: Remote, machine: str) -> str:
    """The address of IPv4 from which a machine sees this one come by SSH; "" for none."""
    argv = [*remote.command(machine), "echo $SSH_CONNECTION"]
    done = subprocess.run(
        argv, env=remote.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    source = (done.stdout.split() or [""])[0]
    return "" if ":" in source else source
