"""Environment files, as systemd reads them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from espalier_machine.release.errors import ReleaseError


def parse_environment(text: str, where: str = "environment file") -> dict[str, str]:
    """Variables of a systemd EnvironmentFile; raises ReleaseError naming the line."""
    variables = {}
    # Not splitlines(): it splits at characters, too, that systemd takes for a part of the value.
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        key, equals, value = line.partition("=")
        quoted = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', value)
        bad_value = value.startswith('"') and not quoted
        if bad_value or not equals or not re.fullmatch(r"[A-Za-z_]\w*", key):
            sentence = f'{where} line {number} is not KEY="value"; run site.yml again.'
            raise ReleaseError("environment", sentence)
        # systemd drops a backslash only before these four
        variables[key] = re.sub(r'\\(["\\`$])', r"\1", quoted[1]) if quoted else value
    return variables


def format_environment(variables: Mapping[str, str]) -> str:
    """The text of a systemd EnvironmentFile that reads back as `variables`."""
    escaped = {key: re.sub(r'(["\\])', r"\\\1", value) for key, value in variables.items()}
    return "".join(f'{key}="{value}"\n' for key, value in escaped.items())


def given_names(given: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """What the machine has, under the names by which a release's settings read it.

    Args:
        given: a name -> the kit's variable; one that the machine does not have is left out.
        variables: those of the machine.
    """
    return {name: variables[kits] for name, kits in given.items() if variables.get(kits)}
