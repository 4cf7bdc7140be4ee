"""espalier init: begin an environment, deploy/NAME, in a project's directory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from espalier.cli.command import Command, is_terminal
from espalier.inventory import known_hosts
from espalier.inventory.environments import environments
from espalier.inventory.host_keys import Compared, compare, lines
from espalier.inventory.site import SiteError
from espalier.inventory.ssh_config import config_file, destinations, settings
from espalier.inventory.unreachable import changed_key, revoked_key
from espalier.readiness.names import domains as look_up
from espalier.scaffold import answers as check
from espalier.scaffold.answers import MACHINE, Answers
from espalier.scaffold.files import HOSTS, PROJECT, contents
from espalier.scaffold.look import look, origin, suggest_name
from espalier.scaffold.write import present, write

# By parameter: what is asked for, and the option that answers.
QUESTIONS = {
    "host": "Address of the machine (IP address or host name)",
    "user": "User of SSH there, root or one with sudo",
    "domains": "Domain of the site (several: with spaces between; empty for none yet)",
    "name": "Name of the project (its user, its database)",
}
# Of the files of an environment, what each would say: no option for one that is there already.
OPTIONS = {
    HOSTS: ("host", "user", "port", "private_key", "private_address", "fingerprint"),
    PROJECT: ("domains", "name", "git", "package", "version"),
}


@click.command(cls=Command)
@click.argument("environment", metavar="[NAME]", default="production")
@click.option("--host", help="The machine's address.")
@click.option("--user", help="The user of SSH: root, or one with sudo.  [default: root]")
@click.option("--port", type=click.IntRange(1, 65535), help="The port of SSH.  [default: 22]")
@click.option("--private-key", default="", metavar="FILE", help="The private key of SSH.")
@click.option("--private-address", help="Its address in a private network.")
@click.option("--domain", "domains", multiple=True, help="A host name of the site; repeatable.")
@click.option("--name", help="The project's name.  [default: that of its directory]")
@click.option("--git", default="", metavar="URL", help="The code, if it is not this directory.")
@click.option("--package", default="", metavar="NAME", help="The same, on the Python index.")
@click.option("--version", default="", help="Of --git or --package.")
@click.option("--fingerprint", metavar="SHA256:…", help="The machine's SSH host key.")
@click.option("--yes", is_flag=True, help="Keep the host key that the machine shows, unseen.")
def command(
    environment: str,
    host: str | None,
    user: str | None,
    port: int | None,
    private_key: str,
    private_address: str | None,
    domains: Sequence[str],
    name: str | None,
    git: str,
    package: str,
    version: str,
    fingerprint: str | None,
    yes: bool,
) -> int:
    """Write deploy/NAME into the project: a new environment.

    NAME is production, if none is given. What is not given is asked for. Nothing is overwritten.
    """
    root = _root(Path.cwd())
    directory = root / "deploy" / check.environment(environment)
    before = present(directory)
    _refuse_unused(before, directory, click.get_current_context().params)
    source = check.code(git, package, version)
    repository = origin(root)
    suggested = suggest_name(source, root, repository)
    seen = look(source, root, name=check.project_name(name) if name else suggested)
    for line in seen.notes:
        click.echo(f"  {line}")

    needed: dict[str, Any] = {"host": host} if HOSTS not in before else {}
    if PROJECT not in before:
        needed["name"] = name or suggested or None
    keys_wanted = HOSTS not in before and not (directory / known_hosts.FILE).exists()
    if not is_terminal():
        _refuse_missing(needed, keys_wanted and not (yes or fingerprint))
    if HOSTS not in before:
        host = _answer("host", host, check.host)
        user = _answer("user", user, check.user, default="root")
    if PROJECT not in before:
        given = list(domains) or None
        domains = _answer("domains", given, check.domains, default="", several=True)
        name = _answer("name", name, check.project_name, default=suggested)
    answers = Answers(
        name=name or "",
        domains=tuple(domains),
        source=source,
        host=host or "",
        user=user or "root",
        port=port or 22,
        key_file=check.private_key(private_key) if private_key else "",
        private_address=check.private_address(private_address) if private_address else "",
        origin=repository,
        required=seen.required,
    )
    keys: list[str] = []
    if keys_wanted:
        keys = _host_keys(answers, fingerprint, yes)
    made = write(directory, contents(answers, keys))
    _tell(answers, environment, made, seen.missing, has_keys=bool(keys) or not keys_wanted)
    return 0


def _root(start: Path) -> Path:
    """The project's root: where its environments are, or the current directory."""
    known = (inventory.parent for inventory in environments(start).values())
    return next((one.parent for one in known if one.name == "deploy"), start)


def _refuse_unused(before: Collection[str], directory: Path, given: Mapping[str, Any]) -> None:
    """Refuse options for a file that is there already: what it says is never changed."""
    for file, options in OPTIONS.items():
        unused = [f"--{one.removesuffix('s').replace('_', '-')}" for one in options if given[one]]
        if file in before and unused:
            raise SiteError(
                f"{directory.parent.name}/{directory.name}/{file} is there already, and is never "
                f"changed: edit it, in place of giving {', '.join(unused)}. Nothing was changed.",
                2,
            )


def _refuse_missing(needed: Mapping[str, Any], lacks_key: bool) -> None:
    """Refuse to ask where nobody answers."""
    options = [f"--{key}" for key, value in needed.items() if value is None]
    options += ["--fingerprint (or --yes)"] if lacks_key else []
    if options:
        raise SiteError(
            f"There is no terminal to ask at, and answers are missing: add {', '.join(options)}.", 2
        )


def _answer(
    key: str,
    given: Any,
    validate: Callable[[Any], Any],
    default: str | None = None,
    several: bool = False,
) -> Any:
    """A value that was given, or is asked for until it is one."""
    if given is not None:
        return validate(given)
    if not is_terminal():
        return validate([default] if several else default)

    def check_typed(typed: str) -> Any:
        try:
            return validate([typed] if several else typed)
        except SiteError as error:
            raise click.BadParameter(str(error)) from None

    return click.prompt(
        QUESTIONS[key],
        default=default or ("" if several else None),
        show_default=bool(default),
        value_proc=check_typed,
        err=True,
    )


def _host_keys(answers: Answers, fingerprint: str | None, yes: bool) -> list[str]:
    """The lines of known_hosts for the machine, once somebody has agreed to its keys.

    Raises:
        SiteError: it shows other keys than the one that was given or is known, or nobody agrees.
    """
    variables = {MACHINE: answers.variables}
    with config_file(variables) as config:
        compared = compare(config, destinations(variables)[MACHINE], variables[MACHINE])
    where = f"{answers.host}, port {answers.port}"
    if not compared.shown:
        if fingerprint:
            raise SiteError(f"{where}, does not answer, so its key could not be compared.")
        return []
    click.echo(f"\n{where}, shows this SSH host key:")
    for key in compared.shown if fingerprint else compared.to_keep:
        click.echo(f"  {key}")
    if fingerprint:
        return _only(compared, fingerprint)
    if compared.refused:
        file = known_hosts.for_people(compared.files[0])
        raise SiteError(revoked_key(answers.host, compared.refused, file))
    if compared.changed:
        name, file = compared.name, known_hosts.for_people(compared.files[0])
        raise SiteError(changed_key(answers.host, compared.changed, name, file))
    if compared.matching:
        click.echo("It is known to you already, by your known_hosts.")
    elif not yes and not click.confirm("Does the provider's console show the same", err=True):
        raise SiteError(
            "The host key was not accepted, so nothing was written. Compare it in the provider's "
            "console; on the machine, `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` shows it. "
            "A key of another kind that you know is taken by --fingerprint."
        )
    return compared.lines


def _address(answers: Answers) -> str:
    """Where ssh connects to: the address may be a name of the person's own ssh configuration."""
    variables = {MACHINE: answers.variables}
    with config_file(variables) as config:
        return settings(config, destinations(variables)[MACHINE])["hostname"]


def _only(compared: Compared, fingerprint: str) -> list[str]:
    """The line of the one key that was given."""
    wanted = f"SHA256:{fingerprint.strip().removeprefix('SHA256:').rstrip('=')}"
    for key in compared.shown:
        if key.fingerprint == wanted:
            return lines(compared.name, [key])
    raise SiteError(
        f"The machine shows no host key with the fingerprint {wanted}, so nothing was written: it "
        "is another machine, or the fingerprint is of another one."
    )


def _tell(
    answers: Answers,
    environment: str,
    made: Sequence[str],
    missing: Sequence[str],
    *,
    has_keys: bool,
) -> None:
    """Say what was written, what is worth knowing, and what comes next."""
    click.echo("\nWritten:")
    for path in made:
        click.echo(f"  {path}")
    notes = [f"Still to do: {one}" for one in missing]
    if answers.required:
        names = ", ".join(one.name for one in answers.required)
        notes.append(f"Still to do: the settings read {names}: {PROJECT} has lines for them.")
    if not has_keys:
        notes.append(
            f"{answers.host} does not answer, so its SSH host key was not kept; `espalier check` "
            "shows it and keeps it later."
        )
    if answers.host:
        found = look_up(answers.domains, [_address(answers)])
        notes += [f"{one.text}." for one in found if one.level != "ok"]
    for text in notes:
        click.echo(f"\n{text}")
    option = "" if len(environments(Path.cwd())) == 1 else f" -e {environment}"
    click.echo(
        f"\nNext: espalier check{option}   whether everything is ready\n"
        f"      espalier site{option}    make the site"
    )
