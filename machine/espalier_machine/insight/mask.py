"""Take out what must not leave a machine: tokens, addresses of e-mail, literals of statements."""

from __future__ import annotations

import re
from urllib.parse import unquote

_LONGEST = 300  # characters of a path
_ALPHABET = re.compile(r"[A-Za-z0-9_=+~-]{20,}")
_WORD = re.compile(r"[A-Z]?[a-z]{1,18}|[A-Z]{1,18}|\d+")
_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


def path(uri: str) -> str:
    """The path of an address, without its query; "*" for a part that is a token or an e-mail.

    A token has 20 characters or more of hexadecimal or base64url, or is a UUID. Words with dashes
    are a title of a page, and numbers are keys of rows: both stay.
    """
    bare = re.split(r"[?#]", uri, maxsplit=1)[0]
    return "/".join(_part(part) for part in bare.split("/"))[:_LONGEST]


def _part(part: str) -> str:
    plain = unquote(part)
    if _EMAIL.fullmatch(plain):
        return "*"
    # A signed value of Django has colons, a JSON web token has dots.
    if any(is_token(piece) for piece in re.split(r"[.:,;]", plain)):
        return "*"
    return part


def is_token(text: str) -> bool:
    """Whether a part of a path looks like a secret or a random name."""
    if _UUID.fullmatch(text):
        return True
    if not _ALPHABET.fullmatch(text):
        return False
    return not all(_WORD.fullmatch(piece) for piece in re.split(r"[-_=+~]", text) if piece)


_TOKENS = re.compile(
    r"/\*.*?\*/|--[^\n]*"  # comments, which may hold anything
    r"|\$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|$)"  # a string between dollars
    r"|(?<!\w)[eE]'(?:[^'\\]|''|\\.)*(?:'|$)"
    r"|'(?:[^']|'')*(?:'|$)"  # a string, which a cut text may not end
    r'|"(?:[^"]|"")*"'  # a name, which stays
    r"|\$\d+"  # a parameter, which stays
    r"|(?<![\w.$])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?",
    re.DOTALL,
)
_LONGEST_STATEMENT = 4000


def statement(text: str) -> str:
    """A statement without its literals: "?" in place of each; at most 4000 characters."""

    def masked(found: re.Match[str]) -> str:
        token = found[0]
        if token.startswith(("/*", "--")):
            return " "
        if token.startswith('"') or re.fullmatch(r"\$\d+", token):
            return token
        return "?"

    return re.sub(r"\s+", " ", _TOKENS.sub(masked, text)).strip()[:_LONGEST_STATEMENT]
