"""What must be known to begin an environment, and the refusals of what makes no sense."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from espalier import paths
from espalier.inventory.addresses import check_address
from espalier.inventory.environments import EXAMPLE, LAB
from espalier.inventory.errors import InventoryError
from espalier.inventory.site import SiteError
from espalier.project.rules import site, source
from espalier.project.rules.basics import InvalidValue
from espalier_machine.common.variables import Variable

MACHINE = "vps1"  # what the example inventory calls its machine


@dataclass(frozen=True)
class Source:
    """Where the code is: the key of project.yml (`directory`, `git` or `package`) and its value."""

    key: str = "directory"
    value: str = "."
    version: str = ""


@dataclass(frozen=True)
class Answers:
    """What a new environment says.

    Attributes:
        name: of the project: its user, its database, its units.
        domains: that the site answers; with none, it answers at the machine's address.
        source: where the code is.
        host: the machine's address, "" where hosts.yml is there already. The others belong to it.
        user: as whom SSH logs in.
        port: of SSH.
        key_file: the private key of SSH, "" for the one that ssh takes by itself.
        private_address: the machine's address in a private network, "" for none.
        origin: the URL of the project's git repository, to be named in a comment; "" for none.
        required: variables that the settings do not load without.
    """

    name: str
    domains: Sequence[str] = ()
    source: Source = field(default_factory=Source)
    host: str = ""
    user: str = "root"
    port: int = 22
    key_file: str = ""
    private_address: str = ""
    origin: str = ""
    required: Sequence[Variable] = ()

    @property
    def variables(self) -> dict[str, str | int]:
        """What hosts.yml says of the machine."""
        given: dict[str, str | int] = {"ansible_host": self.host, "ansible_user": self.user}
        if self.port != 22:
            given["ansible_port"] = self.port
        if self.key_file:
            given["ansible_ssh_private_key_file"] = self.key_file
        if self.private_address:
            given["private_address"] = self.private_address
        return given


def environment(value: str) -> str:
    """A name for an environment: a directory, and a word after -e."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_.-]*", value):
        raise SiteError(
            f'"{value}" cannot name an environment: write lower-case letters, digits, _, . or -, '
            "such as production.",
            2,
        )
    if value in (LAB, EXAMPLE):
        raise SiteError(
            f"{value} is the kit's own: choose another name, such as production or staging.", 2
        )
    return value


def host(value: str) -> str:
    """The address of a machine."""
    _check_address("ansible_host", value)
    return value


def private_address(value: str) -> str:
    """The address of a machine in a private network."""
    _check_address("private_address", value)
    return value


def _check_address(variable: str, value: str) -> None:
    try:
        check_address(MACHINE, variable, value)
    except InventoryError as error:
        raise SiteError(str(error), 2) from None


def user(value: str) -> str:
    """The user of SSH."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", value):
        raise SiteError(
            f'"{value}" is no name of a user: write the one whom SSH logs in, such as root or '
            "admin; the address belongs into --host.",
            2,
        )
    return value


def private_key(value: str) -> str:
    """A private key of SSH, as hosts.yml can say it in any directory and for a colleague too."""
    path = Path(value).expanduser().absolute()
    if not path.is_file():
        raise SiteError(f"There is no file {path}: write where the private key of SSH is.", 2)
    below_home = path.is_relative_to(Path.home())
    return f"~/{path.relative_to(Path.home())}" if below_home else str(path)


def domains(value: Sequence[str]) -> tuple[str, ...]:
    """The host names of a site; each entry may hold several, with spaces or commas between them."""
    words = [word for text in value for word in re.split(r"[,\s]+", text) if word]
    return tuple(dict.fromkeys(_by_rule(site.domain, word) for word in words))


def project_name(value: str) -> str:
    """The name of a project."""
    return _by_rule(site.project_name, value)


def code(git: str, package: str, version: str) -> Source:
    """Where the code is: a git URL, a package, or the directory at hand."""
    if git and package:
        raise SiteError("Both --git and --package say where the code is: give one of them.", 2)
    if version and not (git or package):
        raise SiteError("--version belongs to --git or --package: add one of them.", 2)
    if version:
        version = _by_rule(source.version, version)
    if git:
        if without_login(git) != git:
            raise SiteError(
                "The URL of --git has a password or a token in it, which would stand in "
                f"project.yml for everybody who sees the repository: give {without_login(git)}, "
                f"and keep the password in ansible-vault ({paths.DOCS / 'project.md'}).",
                2,
            )
        return Source("git", _by_rule(source.git, git), version)
    if package:
        return Source("package", _by_rule(source.package, package), version)
    return Source()


def without_login(url: str) -> str:
    """A URL without its password. In http, the name may be a token, and goes too."""
    url = re.sub(r"^(https?://)[^/]*@", r"\1", url)
    return re.sub(r"^(\w+://[^/:@]*):[^/]*@", r"\1@", url)


def _by_rule(rule: Callable[[str], str], value: str) -> str:
    try:
        return rule(value)
    except InvalidValue as error:
        raise SiteError(str(error), 2) from None
