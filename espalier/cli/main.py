"""The group of commands. A command is a module beside this one with a `command` in it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from espalier import paths

# In the order in which --help lists them.
COMMANDS = (
    "init",
    "check",
    "plan",
    "site",
    "release",
    "rollback",
    "status",
    "log",
    "alerts",
    "manage",
    "shell",
    "logs",
    "psql",
    "maintenance",
    "verify",
    "measure",
    "load",
    "advise",
    "prove",
    "report",
    "diagram",
    "secrets",
    "backups",
    "restore",
    "import",
    "clone",
    "remove",
    "up",
    "down",
)
# `import` is a word of Python.
MODULES = {"import": "import_site"}
INTERRUPTED = 130


class Commands(click.Group):
    """Loads a command's module when the command is typed, so that the others cost nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a name, or None."""
        if cmd_name not in COMMANDS:
            return None
        module = MODULES.get(cmd_name, cmd_name)
        command: click.Command = import_module(f"espalier.cli.{module}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; Ctrl-C, or the end of the input at a question, has one exit status."""
        try:
            return super().invoke(ctx)
        except (KeyboardInterrupt, click.Abort):
            click.echo("\nInterrupted.", err=True)
            ctx.exit(INTERRUPTED)


@click.command(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"\b\nThe guide: {paths.DOCS}",
)
@click.version_option(package_name="django-espalier", message="%(version)s")
def main() -> None:
    """What a person does with a site, many times a day. Each COMMAND has its own --help.

    Exit status: 0 done, 1 failed, 2 wrong use or refused before anything was touched, 3 locked by
    another run, 130 interrupted.
    """
