"""espalier check: whether the site could be made now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import click

from espalier.cli.command import Environment, environment_command, is_terminal
from espalier.cli.options import ask_passwords, json_option
from espalier.inventory.host_keys import Compared
from espalier.inventory.read import read
from espalier.inventory.site import Site, SiteError
from espalier.project.name import project_name
from espalier.readiness import keys, names, playbook, ports
from espalier.readiness.findings import Finding, as_json_object, failed, lines, ok
from espalier.readiness.hand_over import handed_over
from espalier.readiness.judge import judge


@environment_command()
@click.option(
    "--keep-host-keys",
    is_flag=True,
    help="Keep the SSH host keys of machines that are not known yet, without a question.",
)
@json_option
def command(environment: Environment, keep_host_keys: bool, as_json: bool) -> int:
    """Say whether all is ready: inventory, project, machines, names. Changes nothing there."""
    ask = is_terminal() and not as_json
    found = list(_findings(environment, keep_host_keys, ask))
    good = not any(one.is_failed for one in found)
    if as_json:
        click.echo(json.dumps(as_json_object(found)))
        return 0 if good else 1
    for line in lines(found):
        click.echo(line)
    if good:
        click.echo(f"Ready: `espalier site -e {environment.name}` makes the site.")
    else:
        click.echo("Not ready: mend what is FAILED, and check again.")
    return 0 if good else 1


def _findings(environment: Environment, keep_new: bool, ask: bool) -> Iterator[Finding]:
    """All findings: those of the site, then machine by machine."""
    passwords = ask_passwords(environment.options)
    try:
        site = read(
            environment.inventory,
            name_of=project_name,
            passwords=passwords,
            extra_vars=environment.options["extra_vars"],
        )
    except SiteError as error:
        yield failed("inventory", str(error))
        return
    yield _inventory(environment, site)
    compared = keys.compare_all(site.variables)
    kept = _keep(site, compared, keep_new, ask)
    by_key = {name: keys.finding(name, one, kept) for name, one in compared.items()}
    refused = {name for name, finding in by_key.items() if finding and finding.is_failed}
    web = site.machines("nginx")
    # Behind a bastion, the address is no public one.
    hosts = {m: site.topology["machines"][m]["public_address"] for m in web if compared[m].direct}
    with (
        ThreadPoolExecutor() as pool,
        handed_over(environment.options, passwords) as (
            options,
            variables,
        ),
    ):
        answers = pool.submit(ports.ask, hosts.values())
        leads = pool.submit(names.domains, site.project.get("domains") or (), hosts.values())
        arguments = replace(environment, options=options).ansible_arguments()
        results = playbook.run(arguments, variables, may_ask=ask and not refused, share=not refused)
    found = [*judge(results, site.topology), *leads.result()]
    for machine, host in hosts.items():
        of_machine = {port: answers.result()[host, port] for port in ports.PORTS}
        state = results.value(playbook.STATE, "state", machine)
        found += ports.reach(machine, of_machine, state and state["listening"])
    yield from (one for one in found if not one.machine)
    for machine, finding in by_key.items():
        if finding:
            yield finding
        # A key that is refused has said why nobody can log in.
        own = [one for one in found if one.machine == machine]
        yield from (one for one in own if not (machine in refused and one.check == "ssh"))


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
            click.echo(f"{machine} ({one.name}) shows these SSH host keys:", err=True)
            for key in one.shown:
                click.echo(f"  {key}{' (known to you)' if key in one.known else ''}", err=True)
        question = "Do the providers' consoles show the same, and are they to be kept"
        if not click.confirm(question, err=True):
            return {}
    keys.keep(wanted, site.inventory)
    return wanted
