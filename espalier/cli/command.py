"""What a command is for: an environment or a site. And how its failure is told."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from espalier import paths
from espalier.cli.options import NONE_GIVEN, OPTIONS, SHARED, ask_passwords
from espalier.inventory.environments import environments, select
from espalier.inventory.hand_over import handed_over
from espalier.inventory.read import Passwords, read
from espalier.inventory.site import Site, SiteError
from espalier.progress.playbook import Playbook
from espalier.project.name import project_name

# For commands that hand arguments on: from the first argument on, nothing is an option of ours.
PASS_ON = {"allow_interspersed_args": False}
VAULT = ("ask_vault_pass", "vault_password_file", "vault_id")


@dataclass(frozen=True)
class Environment:
    """What a command is for: an inventory, and what the shared options say about reaching it."""

    inventory: Path
    options: Mapping[str, Any] = field(default_factory=lambda: NONE_GIVEN)

    @property
    def name(self) -> str:
        """A word for it: the name of its directory."""
        return self.inventory.name

    def again(self, command: str) -> str:
        """A command of ours for this environment, as it is to be typed: the way to name it.

        With the option that the person gave; without one where the environment is the only one.
        """
        name, path = self.options["environment"], self.options["inventory"]
        option = f" -e {name}" if name else f" -i {shlex.quote(str(path))}" if path else ""
        return f"espalier {command}{option}"

    @cached_property
    def passwords(self) -> Passwords:
        """The passwords that are to be typed: asked for once, when they are needed first."""
        return ask_passwords(self.options)

    def read(self, *, settings: bool = False) -> Site:
        """Read the site; with `settings`, what hosts.yml says of machines too."""
        return read(
            self.inventory,
            name_of=project_name,
            passwords=self.passwords,
            extra_vars=self.options["extra_vars"],
            settings=settings,
        )

    @contextmanager
    def silent(self) -> Iterator[tuple[Environment, Mapping[str, str]]]:
        """The same for programs of Ansible's, which ask for nothing; and variables for them."""
        with handed_over(self.options, self.passwords) as (options, variables):
            yield replace(self, options=options), variables

    @contextmanager
    def playbook(
        self,
        command: str,
        arguments: Sequence[str] = (),
        *,
        path: Path = paths.SITE_PLAYBOOK,
        again: str = "",
    ) -> Iterator[Playbook]:
        """A playbook for this environment, which asks for no password.

        Args:
            command: ours that runs it, by which its log is named.
            arguments: of ansible-playbook.
            path: of the playbook.
            again: what the person typed, where that is more than the command.
        """
        with self.silent() as (silent, variables):
            words = [*silent.ansible_arguments(), *arguments]
            told = self.again(again or command)
            yield Playbook(path, words, variables, self.name, command, told)

    def ansible_arguments(self) -> list[str]:
        """The same options for ansible-playbook."""
        options = self.options
        given = ["-i", str(self.inventory)]
        for name in ("ask_become_pass", "ask_pass", "ask_vault_pass"):
            given += [_flag(name)] if options[name] else []
        for name in ("become_password_file", "connection_password_file"):
            given += [_flag(name), options[name]] if options[name] else []
        given += self.vault_arguments()
        return given + [word for one in options["extra_vars"] for word in ("--extra-vars", one)]

    def vault_arguments(self) -> list[str]:
        """Where the passwords of ansible-vault are, for any program of Ansible's."""
        names = ("vault_password_file", "vault_id")
        pairs = [(_flag(name), value) for name in names for value in self.options[name]]
        return [word for pair in pairs for word in pair]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


class Command(click.Command):
    """A command whose function gives the exit status, and whose failure is told in one way."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the function; a SiteError ends it with its sentence and status."""
        try:
            status = self.run(ctx)
        except SiteError as error:
            detail = error.detail.rstrip()
            if ctx.params.get("as_json"):
                told = {"sentence": str(error), "detail": detail}
                click.echo(json.dumps({"ok": False, "error": told}))
            else:
                click.echo("\n".join(filter(None, [f"{ctx.info_name}: {error}", detail])), err=True)
            status = error.status
        ctx.exit(status)

    def run(self, ctx: click.Context) -> int:
        """Run the function with the command's options; gives the exit status."""
        assert self.callback
        status: int = ctx.invoke(self.callback, **ctx.params)
        return status


class EnvironmentCommand(Command):
    """A command for one environment: its function takes the `Environment` first."""

    def run(self, ctx: click.Context) -> int:
        """Run the function with its own options; gives the exit status."""
        assert self.callback
        status: int = ctx.invoke(self.callback, selected(ctx.params), **_own(ctx))
        return status


def _own(ctx: click.Context) -> dict[str, Any]:
    """The options that are not shared by all commands."""
    return {name: value for name, value in ctx.params.items() if name not in SHARED}


class SiteCommand(EnvironmentCommand):
    """A command for one site, which is read first: its function takes the `Site` first.

    What `prepare` gives, it takes second: something that takes a while, and is begun before the
    inventory is read.
    """

    def __init__(
        self,
        *args: Any,
        prepare: Callable[[], AbstractContextManager[Any]] | None = None,
        **settings: Any,
    ) -> None:
        """Take what click takes, and what is to be begun first."""
        super().__init__(*args, **settings)
        self.prepare = prepare

    def run(self, ctx: click.Context) -> int:
        """Read the site, and run the function with its own options; gives the exit status."""
        assert self.callback
        with ExitStack() as stack:
            environment = selected(ctx.params)
            prepared = [stack.enter_context(self.prepare())] if self.prepare else []
            status: int = ctx.invoke(self.callback, environment.read(), *prepared, **_own(ctx))
        return status


def site_command(**settings: Any) -> Callable[[Callable[..., int]], click.Command]:
    """Decorate the function of a command for a `Site`, above its own click options.

    `settings` are those of `click.command`.
    """
    return _decorator(SiteCommand, settings)


def environment_command(
    only: Collection[str] = SHARED, **settings: Any
) -> Callable[[Callable[..., int]], click.Command]:
    """Decorate the function of a command for an `Environment`, above its own click options.

    `only` are the shared options that it has, `settings` are those of `click.command`.
    """
    return _decorator(EnvironmentCommand, settings, only)


def _decorator(
    kind: type[EnvironmentCommand], settings: Mapping[str, Any], only: Collection[str] = SHARED
) -> Callable[[Callable[..., int]], click.Command]:
    def decorate(function: Callable[..., int]) -> click.Command:
        command = click.command(cls=kind, **settings)(function)
        for name in only:
            command = OPTIONS[name](command)
        return command

    return decorate


def selected(options: Mapping[str, Any]) -> Environment:
    """The environment that the shared options name; asks where there are several.

    Raises:
        SiteError: none is named, and it is not clear which is meant; or there is none.
    """
    options = {**NONE_GIVEN, **options}
    name, inventory = options["environment"], options["inventory"]
    if name and inventory:
        raise SiteError("Both -e and -i name an inventory: give one of them.", 2)
    if inventory is None:
        inventory = select(name, Path.cwd(), _ask_environment if is_terminal() else None)
        if len(environments(Path.cwd())) > 1:  # as it was answered, where it was asked for
            options = {**options, "environment": inventory.name}
    if os.environ.get("ESPALIER_VAULT_PASSWORD") and not any(options[name] for name in VAULT):
        options = {**options, "vault_password_file": (str(paths.VAULT_PASSWORD),)}
    return Environment(inventory.resolve(), options)


def is_terminal() -> bool:
    """Whether there is somebody who can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask_environment(names: Sequence[str]) -> str:
    answer: str = click.prompt("Which environment", type=click.Choice(names), err=True)
    return answer
