"""One ssh configuration for everything that reaches machines, from Ansible's connection variables.

OpenSSH (`ssh -F FILE NAME`) and pyinfra (`ssh_config_file`) read it. The first value of an option
wins in such a file, so a machine's block has them in the order in which Ansible gives them to ssh,
and a person's own ~/.ssh/config comes last, as it does with Ansible.
"""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from espalier.inventory.site import SiteError

Variables = Mapping[str, Mapping[str, Any]]

# Options of ssh that take a value, as the configuration names them.
WITH_VALUE = {"-J": "ProxyJump", "-i": "IdentityFile", "-l": "User", "-p": "Port", "-c": "Ciphers"}
WITHOUT_VALUE = {
    "-4": "AddressFamily inet",
    "-6": "AddressFamily inet6",
    "-A": "ForwardAgent yes",
    "-a": "ForwardAgent no",
    "-C": "Compression yes",
    "-q": "LogLevel QUIET",
    "-v": "LogLevel VERBOSE",
}
# Ansible shares connections among its own tasks, at a path that these arguments do not have.
SHARED = ("controlmaster", "controlpath", "controlpersist")
ARGUMENTS = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")
PERSONAL = ("~/.ssh/config", "/etc/ssh/ssh_config")


def destinations(variables: Variables) -> dict[str, str]:
    """By machine, the name under which ssh asks for it.

    It is the address, as with Ansible, because a person's own `Host` lines are compared with it;
    where machines share one (ports of a gateway), it is the machine's name.
    """
    addresses = {name: str(of.get("ansible_host", name)) for name, of in variables.items()}
    shared = Counter(addresses.values())
    return {n: address if shared[address] == 1 else n for n, address in addresses.items()}


def ssh_config(variables: Variables) -> str:
    """Write the ssh configuration of machines.

    Args:
        variables: connection variables by machine, under their canonical names.

    Returns:
        The file's text: a `Host` block per machine, then the person's own configuration.

    Raises:
        SiteError: an argument for ssh has no equal in a configuration file.
    """
    lines = ["# Made by espalier from the inventory, for one command."]
    names = destinations(variables)
    includes: dict[str, set[str]] = {}  # by file, for which machines it stands in for the person's
    for machine, of in variables.items():
        files, options = _options(machine, of)
        patterns = dict.fromkeys([machine, names[machine]])
        lines += ["", f"Host {' '.join(patterns)}", *(f"    {option}" for option in options)]
        for file in files:
            includes.setdefault(file, set()).add(machine)
    replaced = set().union(*includes.values())
    # Bastions are no machines of the inventory, and are looked up in all of these files.
    for file, machines in includes.items():
        lines += ["", _all_but(set(variables) - machines, names), f"    Include {file}"]
    lines += ["", _all_but(replaced, names), *(f"    Include {file}" for file in PERSONAL)]
    return "\n".join(lines) + "\n"


def _all_but(machines: Collection[str], names: Mapping[str, str]) -> str:
    """The `Host` line for everything but some machines."""
    patterns = dict.fromkeys(p for one in names if one in machines for p in (one, names[one]))
    return " ".join(["Host *", *(f"!{pattern}" for pattern in patterns)])


def _options(machine: str, of: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The files that a machine has in place of the person's, and its options, by precedence."""
    files: list[str] = []
    given: dict[str, list[str]] = {}
    for name in ARGUMENTS:
        text = str(of.get(name, ""))
        given[name] = list(_arguments(text, f"`{name}` of {machine}", files))
    options = [f"HostName {of['ansible_host']}"] if "ansible_host" in of else []
    options += given["ansible_ssh_args"]
    if of.get("ansible_host_key_checking") is False:
        options.append("StrictHostKeyChecking no")
    if "ansible_port" in of:
        options.append(f"Port {of['ansible_port']}")
    if "ansible_ssh_private_key_file" in of:
        # As Ansible, which asks $HOME; ssh itself would ask the system's list of users.
        key = Path(of["ansible_ssh_private_key_file"]).expanduser()
        options.append(f"IdentityFile {_quoted(str(key))}")
    if "ansible_user" in of:
        options.append(f"User {_quoted(of['ansible_user'])}")
    if "ansible_password" in of:
        options.append("NumberOfPasswordPrompts 1")  # the same password again helps nobody
    options += given["ansible_ssh_common_args"] + given["ansible_ssh_extra_args"]
    options.append(f"ConnectTimeout {of.get('ansible_timeout', 10)}")
    return files, [one for one in options if one.split()[0].lower() not in SHARED]


def _arguments(text: str, where: str, files: list[str]) -> Iterator[str]:
    """Turn arguments for ssh into lines of its configuration; those of -F go to `files`."""
    words = iter(shlex.split(text))
    for word in words:
        flag, rest = word[:2], word[2:]
        if flag in ("-o", "-F", *WITH_VALUE):
            value = rest or next(words, "")
            if not value or "\n" in value:
                raise SiteError(f"{where} has {flag} without a value in one line.", 2)
            if flag == "-F":
                files.append(_quoted(value))
            elif flag == "-o":
                yield _line(value, where)
            else:
                yield f"{WITH_VALUE[flag]} {_quoted(value)}"
        elif flag in WITHOUT_VALUE:
            yield WITHOUT_VALUE[flag]
            if rest:  # -4C is -4 -C
                yield from _arguments(f"-{rest}", where, files)
        else:
            raise SiteError(
                f"{where} has {word}, which has no place in a configuration file of ssh. Write the "
                "setting as -o NAME=VALUE (man ssh_config has the names), or remove it.",
                2,
            )


def _line(option: str, where: str) -> str:
    """What stands after -o as a line: NAME=VALUE and NAME VALUE are both allowed there."""
    name, separator, value = option.partition("=")
    if not separator or " " in name.strip():
        name, _, value = option.strip().partition(" ")
    if not value.strip():
        raise SiteError(f"{where} has -o {option}. Write -o NAME=VALUE.", 2)
    return f"{name.strip()} {value.strip()}"


def _quoted(value: Any) -> str:
    """A value of a configuration file, in quotes where it has spaces."""
    text = str(value)
    return f'"{text}"' if set(text) & set(" \t#") and '"' not in text else text


def option(variables: Mapping[str, Any], name: str, machine: str = "") -> str:
    """The value that a machine's own options give to one of ssh's; "" for none."""
    _, options = _options(machine, variables)
    for line in options:
        key, _, value = line.partition(" ")
        if key.lower() == name.lower():
            return value
    return ""


@contextmanager
def config_file(variables: Variables, scripts: Mapping[str, str] | None = None) -> Iterator[Path]:
    """Write the configuration into a directory of its own (0700), which is removed at the end.

    `scripts` are programs beside it: name -> text.
    """
    with tempfile.TemporaryDirectory(prefix="espalier-ssh-") as folder:
        path = Path(folder, "config")
        _write(path, ssh_config(variables), 0o600)
        for name, text in (scripts or {}).items():
            _write(Path(folder, name), text, 0o700)
        yield path


def _write(path: Path, text: str, mode: int) -> None:
    path.touch(mode=mode)
    path.write_text(text)


def command(config: Path, destination: str, options: Sequence[str] = ()) -> list[str]:
    """The ssh command that reaches a machine, without what to run there."""
    return ["ssh", "-F", str(config), *options, destination]


def settings(config: Path, destination: str) -> dict[str, str]:
    """What ssh would use for a machine, as `ssh -G` lists it: option in lower case -> value.

    ssh itself is asked, as a person's own configuration has a say too.
    """
    asked = subprocess.run(
        [*command(config, destination), "-G"], capture_output=True, text=True, check=True
    )
    return dict(line.partition(" ")[::2] for line in asked.stdout.splitlines())


def is_direct(found: Mapping[str, str]) -> bool:
    """Whether a machine with these settings is reached without a bastion."""
    return {found.get("proxyjump", "none"), found.get("proxycommand", "none")} == {"none"}


def direct_address(config: Path, destination: str) -> tuple[str, int] | None:
    """The host and port at which a machine's SSH answers; None where it is behind a bastion."""
    found = settings(config, destination)
    return (found["hostname"], int(found["port"])) if is_direct(found) else None
