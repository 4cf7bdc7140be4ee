"""What the control machine wants recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple


class OptionsError(Exception):
    """The options are none; a sentence for people."""


class Options(NamedTuple):
    """What to record.

    Attributes:
        project: its name, which its directory below /run has.
        database: the project's database.
        units: service of the topology -> units of systemd, of which some may not run.
        peers: address -> name of the machines that this one talks with.
        salt: of the recording, for hashes of addresses.
        requests: whether visitors reach this machine: its nginx log is read.
        insight: whether hypopg is there.
    """

    project: str
    database: str
    units: Mapping[str, list[str]] = MappingProxyType({})
    peers: Mapping[str, str] = MappingProxyType({})
    salt: str = ""
    requests: bool = False
    insight: bool = False

    def has(self, *services: str) -> bool:
        """Whether one of these services is to run here."""
        return not self.units.keys().isdisjoint(services)


_FORMS: dict[str, type] = {
    "project": str,
    "database": str,
    "units": dict,
    "peers": dict,
    "salt": str,
    "requests": bool,
    "insight": bool,
}


def parse(text: str) -> Options:
    """Read options, a JSON object; OptionsError where something in it is wrong."""
    try:
        found: Any = json.loads(text)
    except ValueError as error:
        raise OptionsError(f"--options is not JSON: {error}.") from None
    if not isinstance(found, dict) or not isinstance(found.get("project"), str):
        raise OptionsError('--options must be an object with "project", such as {"project": "a"}.')
    # Unknown keys are of a newer control machine.
    known = {name: found[name] for name in _FORMS if name in found}
    for name, value in known.items():
        if not isinstance(value, _FORMS[name]):
            form = _FORMS[name].__name__
            raise OptionsError(f'"{name}" in --options must be of type {form}, not {value!r}.')
    for service, units in known.get("units", {}).items():
        if not isinstance(units, list) or not all(isinstance(unit, str) for unit in units):
            raise OptionsError(f'"units" in --options: {service} needs a list of names of units.')
    return Options(**{"database": known["project"], **known})
