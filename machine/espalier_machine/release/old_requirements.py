"""Requirements that are older than what this machine has: another attempt to install them.

- What a package's author did not pin to build with, uv takes at its newest; and setuptools and
  Cython have dropped what many old packages use: `pkg_resources`, `convert_path`, `use_2to3`.
- psycopg-binary is wheels and nothing else, of the Pythons that there were when it was made.
  psycopg-c is the same code, of the same version, to be compiled.
- Python has dropped modules that old packages import; what they were is on the index.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from espalier_machine.release.machine import Machine

# What a build prints that asks a tool for what it has no more -> the last versions that have it.
ASKED = {
    # All of these but use_2to3, and with Python 3.12 and later.
    "setuptools<70": re.compile(
        r"No module named 'pkg_resources'|cannot import name '\w+' from 'setuptools"
        r"|module 'setuptools[\w.]*' has no attribute|use_2to3 is invalid"
    ),
    # Of PyYAML before 6.0.1.
    "cython<3": re.compile(r"\bcython_sources\b"),
}
NO_MODULE = re.compile(r"No module named '(\w+)\b")
# A module that is no more in Python's library (from 3.12 and 3.13 on: PEP 632, PEP 594, its list of
# changes), or in the newest setuptools -> the package that has it.
DROPPED = {
    "pkg_resources": "setuptools<81",
    "distutils": "setuptools<81",
    "imp": "zombie-imp==0.0.4",
    "asyncore": "pyasyncore==1.0.5",
    "asynchat": "pyasynchat==1.0.5",
    "cgi": "legacy-cgi==2.6.4",
    "cgitb": "standard-cgitb==3.13.0",
    "crypt": "standard-crypt==3.13.0",
    "imghdr": "standard-imghdr==3.13.0",
    "mailcap": "standard-mailcap==3.13.0",
    "nntplib": "standard-nntplib==3.13.0",
    "pipes": "standard-pipes==3.13.0",
    "sndhdr": "standard-sndhdr==3.13.0",
    "telnetlib": "standard-telnetlib==3.13.0",
    "uu": "standard-uu==3.13.0",
    "xdrlib": "standard-xdrlib==3.13.0",
}
OLDEST_DJANGO = (4, 2)  # of the overlay; see its README
# uv's words (crates/uv-resolver/src/pubgrub/report.rs of its source).
NO_WHEEL = re.compile(r"psycopg-binary==(\d[\w.]*) has no wheels? with a matching")
OVERRIDE = "psycopg-binary ; python_version < '3'\n"  # so: never


def old_django(frozen: str) -> str:
    """What to say of a Django that is older than those that the kit is made for, "" for none.

    Args:
        frozen: what `uv pip freeze` printed.
    """
    found = re.search(r"(?mi)^django==((\d+)\.(\d+)\S*)", frozen)
    if not found or (int(found[2]), int(found[3])) >= OLDEST_DJANGO:
        return ""
    oldest = ".".join(map(str, OLDEST_DJANGO))
    return (
        f"Django {found[1]} gets no security fixes, and the kit is made for {oldest} and later: "
        "what fails may fail for that, and a newer Django among the requirements mends it"
    )


@dataclass
class Workarounds:
    """What is added to the commands of one environment's installation.

    Attributes:
        machine: where it is installed.
        variables: of uv's environment.
        constraints: of what requirements are built with.
        requirements: more of them.
    """

    machine: Machine
    variables: dict[str, str] = field(default_factory=dict)
    constraints: list[str] = field(default_factory=list)
    requirements: list[str] = field(default_factory=list)

    def find(self, output: str) -> bool:
        """Add what helps against a failure; returns whether there is something new to try."""
        asked = {older for older, pattern in ASKED.items() if pattern.search(output)}
        if fresh := sorted(asked.difference(self.constraints)):
            self.constraints += fresh
            text = "".join(f"{one}\n" for one in self.constraints)
            self._point("UV_BUILD_CONSTRAINT", "build-constraints.txt", text)
            self.machine.progress.tell(f"built with {', '.join(fresh)}, as a requirement asks")
            return True
        if (found := NO_WHEEL.search(output)) and "UV_OVERRIDE" not in self.variables:
            self._point("UV_OVERRIDE", "overrides.txt", OVERRIDE)
            compiled = f"psycopg-c=={found[1]}"
            self.requirements.append(compiled)
            self.machine.progress.tell(
                f"{compiled} is compiled: psycopg-binary has no wheel of that version for this "
                "Python"
            )
            return True
        return False

    def _point(self, variable: str, name: str, text: str) -> None:
        """Write a file for uv, and name it to uv."""
        file = self.machine.cache / name
        with self.machine.as_user():
            file.write_text(text)
        self.variables[variable] = str(file)
