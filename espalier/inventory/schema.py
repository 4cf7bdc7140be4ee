"""The schema of hosts.yml: its groups, and the variables that the kit reads from it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    StrictStr,
    ValidationError,
    WrapValidator,
)
from pydantic_core import ErrorDetails

from espalier.inventory.addresses import is_template
from espalier.inventory.errors import InventoryError
from espalier.inventory.spelling import did_you_mean, near_miss, other_word

SECTIONS = ("hosts", "vars", "children")
# What the kit reads of a machine. All other variables are Ansible's, a role's or the user's own.
MACHINE_KEYS = (
    "private_address",
    "memory_mb",
    "cores",
    "ansible_host",
    "ansible_user",
    "ansible_port",
    "ansible_connection",
    "ansible_password",
    "ansible_become",
    "ansible_become_user",
    "ansible_become_password",
    "ansible_ssh_common_args",
    "ansible_ssh_private_key_file",
    "ansible_python_interpreter",
)
# What it reads of a site: a near miss of one of these is a slip only where that one is missing.
SITE_KEYS = (
    "tiers",
    "alerts",
    "audit",
    "backup",
    "firewall",
    "insight",
    "prices",
    "ssh",
    "updates",
    "vault_database_password",
    "vault_redis_password",
    "vault_replication_password",
    "vault_secret_key",
    "vault_media_token",
    "vault_authority",
    "vault_reader_password",
    "vault_email_password",
    "vault_s3_access_key",
    "vault_s3_secret_key",
    "vault_backup_passphrase",
    "vault_backup_access_key",
    "vault_backup_secret_key",
    "vault_backup_ssh_key",
)
# Ansible's own: not the name of the key's file, but the key.
_ANSIBLES_OWN = ("ansible_ssh_private_key",)


def _named(value: Any) -> Any:
    """Return a section as Ansible reads it: a lone name is one entry, and nothing is no entry."""
    if value is None:
        return {}
    return {value: None} if isinstance(value, str) else value


class Group(BaseModel):
    """A group in hosts.yml. What has no place in it Ansible only warns of."""

    model_config = ConfigDict(extra="forbid")

    hosts: Annotated[dict[StrictStr, dict[StrictStr, Any] | None], BeforeValidator(_named)] = {}
    vars: dict[StrictStr, Any] | None = None
    children: Annotated[dict[StrictStr, Group | None], BeforeValidator(_named)] = {}


class HostsFile(RootModel[dict[StrictStr, Group | None]]):
    """hosts.yml: the group `all`, and further groups beside it if somebody likes to."""


def _checked(value: Any, check: Callable[[Any], Any]) -> Any:
    """Leave a template to the run, which fills it in; and do not take `yes` for 1."""
    if is_template(value):
        return value
    return check(None if isinstance(value, bool) else value)


class Variables(BaseModel):
    """The variables of a machine whose values the kit checks."""

    memory_mb: Annotated[float, Field(ge=64, allow_inf_nan=False), WrapValidator(_checked)] = 64
    cores: Annotated[float, Field(gt=0, allow_inf_nan=False), WrapValidator(_checked)] = 1
    ansible_port: Annotated[int, Field(ge=1, le=65535), WrapValidator(_checked)] = 22
    ansible_connection: Annotated[
        Literal["ssh", "ansible.builtin.ssh", "smart"], WrapValidator(_checked)
    ] = "ssh"


CHECKED = tuple(Variables.model_fields)
_INSTEAD = {
    "memory_mb": (
        "no memory size in MiB. Write a number such as 2048, or remove the key to use what "
        "the machine says"
    ),
    "cores": (
        "no number of processor cores. Write a number such as 2, or remove the key to use what "
        "the machine says"
    ),
    "ansible_port": "no port. Write a number from 1 to 65535, such as 22",
    "ansible_connection": (
        "not how this kit reaches machines: that is SSH, the machine that it is started on "
        "included. Remove the key"
    ),
}


def check_hosts(data: object) -> HostsFile:
    """Return what hosts.yml says, or refuse its shape.

    Args:
        data: the file as YAML reads it.

    Raises:
        InventoryError: a group, a machine or a section is not what Ansible would read there.
    """
    if isinstance(data, Mapping):
        for section in SECTIONS:
            if section in data:
                raise InventoryError(
                    f"hosts.yml has `{section}:` at its top, where Ansible reads the names of "
                    "groups. Write `all:` as the first line, and indent all other lines under it."
                )
    try:
        return HostsFile.model_validate(data)
    except ValidationError as error:
        raise InventoryError(_sentence(error.errors(include_url=False)[0])) from None


def check_variables(
    machine: str,
    keys: Collection[str],
    values: Mapping[str, object],
    beside: Collection[str] = (),
) -> None:
    """Refuse variables of a machine that the kit would pass over, or could not use.

    Args:
        machine: its name.
        keys: the names of all its variables, those of its groups among them.
        values: the values of those in CHECKED that it has.
        beside: which of them come from group_vars or host_vars.

    Raises:
        InventoryError: a key is a near miss of one that the kit reads, or another word for it; or a
            number is none.
    """

    def where(key: str) -> str:
        return "group_vars or host_vars" if key in beside else "hosts.yml"

    wanted = (*MACHINE_KEYS, *(key for key in SITE_KEYS if key not in keys))
    for key in keys:
        if key == "ansible_ssh_host":
            raise InventoryError(
                f"The machine `{machine}` has `ansible_ssh_host` in {where(key)}, an old name that "
                "this kit does not read. Write `ansible_host`."
            )
        meant = other_word(key, keys)
        if not meant and key not in MACHINE_KEYS + SITE_KEYS + _ANSIBLES_OWN:
            meant = near_miss(key, wanted)
        if meant:
            raise InventoryError(
                f"The machine `{machine}` has `{key}` in {where(key)}, which nothing reads. Did "
                f"you mean `{meant}`? If the variable is your own, give it a name that is less "
                "like one of the kit's."
            )
    try:
        Variables.model_validate(dict(values))
    except ValidationError as error:
        wrong = error.errors(include_url=False)[0]
        key = str(wrong["loc"][0])
        value = values[key]
        shown = "empty, and so" if value is None else f"{value!r}, which is"
        raise InventoryError(
            f"`{key}` of the machine `{machine}` in {where(key)} is {shown} {_INSTEAD[key]}."
        ) from None


def _sentence(error: ErrorDetails) -> str:
    """Return what is wrong with the shape of hosts.yml, for people."""
    path = [str(part) for part in error["loc"]]
    if not path:
        return (
            f"hosts.yml is {_kind(error['input'])}, and must be a mapping that begins with `all:`. "
            "inventories/example/hosts.yml is one to begin with."
        )
    if path[-1] == "[key]":
        return (
            f"{_place(path[:-2])} has the name {path[-2]}, which YAML does not read as text. Write "
            f"it in quotes, or choose a name that begins with a letter."
        )
    place, key, value = _place(path[:-1]), path[-1], error["input"]
    if error["type"] == "extra_forbidden":
        if key in SITE_KEYS + MACHINE_KEYS or not isinstance(value, Mapping):
            return f"{place} has `{key}`, which is not read there. Write it under `vars:`."
        return (
            f"{place} has `{key}`, which is not read there.{did_you_mean(key, SECTIONS)} Machines "
            "belong under `hosts:`, groups under `children:`, and variables under `vars:`."
        )
    if key in SECTIONS and len(path) > 1:
        example = {"hosts": "hosts: {vps1: }", "vars": "vars: {tiers: []}"}
        return (
            f"`{key}:` in {place} is {_kind(value)}, and must be a mapping, such as "
            f"`{example.get(key, 'children: {web: {hosts: {vps1: }}}')}`."
        )
    if len(path) > 1 and path[-2] == "hosts":
        return (
            f"The machine `{key}` in {place} is {_kind(value)}, and must be a mapping of its "
            f"variables, such as `{key}: {{ansible_host: 203.0.113.10}}`."
        )
    instead = f"such as `{key}: {{hosts: {{vps1: }}}}`"
    if len(path) == 1 and key in SITE_KEYS + MACHINE_KEYS:
        instead = f"and `{key}` is a variable: write it under `all: vars:`"
    return f"`{key}:` in {place} is {_kind(value)}, where a group is read, {instead}."


def _place(path: list[str]) -> str:
    """Return where in hosts.yml something stands."""
    return f"`{' '.join(f'{part}:' for part in path)}` of hosts.yml" if path else "hosts.yml"


def _kind(value: object) -> str:
    """Return what a value is, in words."""
    if value is None:
        return "empty"
    if isinstance(value, list | tuple):
        return "a list"
    return "a mapping" if isinstance(value, Mapping) else repr(value)
