"""espalier check: whether the site could be made now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from tempfile import TemporaryDirectory

import click

from espalier.cli.command import Environment, environment_command, is_terminal
from espalier.cli.options import json_option
from espalier.inventory.host_keys import Compared
from espalier.inventory.site import Site, SiteError
from espalier.readiness import keys, mail, names, playbook, ports, secrets
from espalier.readiness.findings import Finding, as_json_object, failed, lines, ok
from espalier.readiness.judge import judge


@environment_command()
@click.option(
    "--keep-host-keys",
    is_flag=True,
    help="Keep the SSH host keys of machines that are not known yet, without a question.",
)
@click.option(
    "--mail", default="", metavar="ADDRESS", help="Send a message there, as the live site does."
)
@json_option
def command(environment: Environment, keep_host_keys: bool, mail: str, as_json: bool) -> int:
    """Say whether all is ready for `espalier site`.

    Inventory, project, machines and names are looked at; nothing is changed there.
    """
    ask = is_terminal() and not as_json
    found = list(_findings(environment, keep_host_keys, ask, mail, show=not as_json))
    good = not any(one.is_failed for one in found)
    if as_json:
        click.echo(json.dumps(as_json_object(found)))
        return 0 if good else 1
    for line in lines(found):
        click.echo(line)
    if good:
        click.echo(f"Ready: `{environment.again('site')}` makes the site.")
    else:
        again = environment.again("check")
        click.echo(f"Not ready. Mend what is FAILED, and type `{again}` again.")
    return 0 if good else 1


def _findings(
    environment: Environment, keep_new: bool, ask: bool, address: str, *, show: bool
) -> Iterator[Finding]:
    """All findings: those of the site, then machine by machine."""
    try:
        site = environment.read()
    except SiteError as error:
        yield failed("inventory", str(error))
        return
    yield _inventory(environment, site)
    compared = keys.compare_all(site.variables)
    kept = _keep(site, compared, keep_new, ask)
    by_key = {name: keys.finding(name, one, kept) for name, one in compared.items()}
    refused = {name for name, finding in by_key.items() if finding and finding.is_failed}
    # Behind a bastion, the address is no public one.
    reached = {machine: compared[machine] for machine in site.machines("nginx")}
    hosts = {machine: one.address for machine, one in reached.items() if one.direct}
    ask, share = ask and not refused, not refused
    found = _look(environment, site, hosts, show=show, ask=ask, share=share)
    yield from (one for one in found if not one.machine)
    for machine, finding in by_key.items():
        if finding:
            yield finding
        # A key that is refused has said why nobody can log in.
        own = [one for one in found if one.machine == machine]
        yield from (one for one in own if not (machine in refused and one.check == "ssh"))
    if address and site.app_machines[0] not in refused:
        yield mail.send(site, address)


def _look(
    environment: Environment,
    site: Site,
    hosts: Mapping[str, str],
    *,
    show: bool,
    ask: bool,
    share: bool,
) -> list[Finding]:
    """Have Ansible look at the machines, and look from here at names and ports meanwhile.

    `hosts` are the machines that take traffic, with their addresses.
    """
    has_secrets = secrets.are_here(site.inventory)
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor())
        elsewhere = stack.enter_context(TemporaryDirectory(prefix="espalier-"))
        # What is not there is made where it is looked for.
        making = ["--extra-vars", json.dumps({"secrets_directory": elsewhere})]
        arguments = [] if has_secrets else making
        look = stack.enter_context(environment.playbook("check", arguments, path=playbook.CHECK))
        answers = pool.submit(ports.ask, hosts.values())
        leads = pool.submit(names.domains, site.project.get("domains") or (), hosts.values())
        results = playbook.run(look, show=show, may_ask=ask, share=share)
    shares = {m: results.value(playbook.SHARES, "msg", m) or {} for m in site.app_machines}
    is_made = any("django" in one.get("recorded", ()) for one in shares.values())
    in_vault = (results.value(playbook.SECRETS, "msg") or {}).get("in_vault") is True
    found = [*judge(results, site.topology), secrets.finding(has_secrets, in_vault, is_made)]
    found += secrets.in_git(site.inventory, environment.passwords)
    found += leads.result()
    for machine, host in hosts.items():
        of_machine = {port: answers.result()[host, port] for port in ports.PORTS}
        state = results.value(playbook.STATE, "state", machine)
        found += ports.reach(machine, of_machine, state and state["listening"])
    return found


def _inventory(environment: Environment, site: Site) -> Finding:
    machines, tiers = site.topology["machines"], site.topology["tiers"]
    named = ", ".join(machines)
    text = f"{environment.name}: {named}; tiers: {', '.join(tiers) or 'none'}"
    return ok("inventory", text)


def _keep(
    site: Site, compared: Mapping[str, Compared], keep_new: bool, ask: bool
) -> Mapping[str, Compared]:
    """Keep the keys of machines that are not known, if that is wanted; gives those machines."""
    wanted = keys.to_keep(compared, site.inventory)
    if not wanted or not (keep_new or ask):
        return {}
    if not keep_new:
        for machine, one in wanted.items():
            click.echo(f"{machine} ({one.name}) shows this SSH host key:", err=True)
            for key in one.to_keep:
                click.echo(f"  {key}{' (known to you)' if key in one.known else ''}", err=True)
        question = "Do the providers' consoles show the same, and are they to be kept"
        if not click.confirm(question, err=True):
            return {}
    keys.keep(wanted, site.inventory)
    return wanted
