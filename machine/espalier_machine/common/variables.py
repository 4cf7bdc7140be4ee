"""Environment variables that a project's settings want: their kinds, and what to write for them."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

# What each kind looks like before somebody has filled it in, in YAML.
PLACEHOLDERS = {
    "text": '""',
    "whole number": "0",
    "number": '"0"',
    "true/false": "false",
    "list": '"one,two"',
    "URL": '"https://…"',
    "JSON": "'{}'",
}
_SECRET = re.compile(
    r"(?:^|_)(?:SECRET|TOKEN|PASSWORD|PASSWD|PASS|DSN|CREDENTIALS?|SALT|(?<!PUBLIC_)KEY)(?:_|$)"
    r"|PASSWORD$|SECRET$|APIKEY"
)


@dataclasses.dataclass(frozen=True)
class Variable:
    """A variable that the settings read: its kind, a word of `PLACEHOLDERS`, and where."""

    name: str
    kind: str = "text"
    where: str = ""

    @property
    def is_secret(self) -> bool:
        """Whether its value had better be in the vault, to judge by its name."""
        return bool(_SECRET.search(self.name.upper()))


def lines(variables: Sequence[Variable], mark: str = "") -> list[str]:
    """What to write into project.yml for variables, from `environment:` on, without its indent.

    Args:
        variables: those that have no value yet.
        mark: stands before each line, such as `# `.
    """
    entries = []
    for one in variables:
        value = PLACEHOLDERS.get(one.kind, PLACEHOLDERS["text"])
        if one.is_secret:
            value = f'"{{{{ vault_{one.name.lower()} }}}}"'
        entries.append((f"{one.name}: {value}", ", ".join(filter(None, (one.kind, one.where)))))
    width = max((len(entry) for entry, _ in entries), default=0)
    written = [f"  {entry:<{width}}  # {comment}" for entry, comment in entries]
    return [f"{mark}{line}" for line in ("environment:", *written)]


def demand(settings: str, variables: Sequence[Variable]) -> str:
    """The sentence that asks for variables, and the lines to write below `project:`."""
    count = len(variables)
    what = "a variable that has" if count == 1 else f"{count} variables that have"
    text = (
        f"the settings {settings} read {what} no value yet: write "
        f"{'it' if count == 1 else 'them'} below `project:`, with the values of this site:\n"
        + "\n".join(f"  {line}" for line in lines(variables))
    )
    secrets = [one for one in variables if one.is_secret]
    if secrets:
        text += (
            f"\nA secret stays out of project.yml: `vault_{secrets[0].name.lower()}: …` belongs "
            "into group_vars/all/vault.yml, encrypted by ansible-vault."
        )
    return text


# What a line of code makes of a variable -> the kind of its value.
_CODE = {
    "whole number": r"\bint\(|\.int\(|cast=int",
    "true/false": r"\bbool\(|\.bool\(|cast=bool|strtobool",
    "number": r"\bfloat\(|\.float\(|Decimal\(|\.decimal\(",
    "list": r"\.list\(|\.tuple\(|Csv\(|\.split\(",
    "JSON": r"\.json\(|loads\(|\.dict\(",
    "URL": r"\.(?:url|db|db_url|cache|cache_url|email|email_url|dj_\w+_url)\(|dj_database_url",
}


def kind_of_code(line: str) -> str:
    """The kind of a variable, from the line of code that reads it."""
    return next((kind for kind, pattern in _CODE.items() if re.search(pattern, line)), "text")
