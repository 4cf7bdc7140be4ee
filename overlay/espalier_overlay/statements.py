"""Brings SQL into the form that Django writes it in, however a person has written it.

    alter table public.Shop_Order drop total, drop vat

becomes

    ALTER TABLE "shop_order" DROP COLUMN "total"
    ALTER TABLE "shop_order" DROP COLUMN "vat"

django-migration-linter and the guard read that form only: keywords in capitals, quoted names, one
action in a statement. Comments and the content of strings are gone. sqlparse, which Django brings
along, is no help: what it takes for a name depends on which words it knows as keywords.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?\*/)
    |(?P<body>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    |(?P<string>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*')
    |(?P<name>"(?:[^"]|"")*")
    |(?P<word>[^\W\d][\w$]*)
    |(?P<sign>\d[\w.]*|.)""",
    re.DOTALL | re.VERBOSE,
)
CONSTRAINTS = ("CONSTRAINT", "CHECK", "UNIQUE", "PRIMARY", "FOREIGN", "EXCLUDE")
DATA = (("UPDATE",), ("INSERT", "INTO"), ("DELETE", "FROM"), ("TRUNCATE", "TABLE"), ("TRUNCATE",))


class Token(NamedTuple):
    """A part of SQL, and whether a space stands before it."""

    kind: str
    text: str
    spaced: bool

    def __str__(self) -> str:
        """As Django writes it: keywords in capitals, and nothing of what strings hold."""
        if self.kind == "string":
            return "''"
        return self.text.upper() if self.kind == "word" else self.text

    @property
    def identifier(self) -> str:
        """The name that it is; PostgreSQL takes an unquoted one in small letters."""
        quoted = self.kind == "name"
        return self.text[1:-1].replace('""', '"') if quoted else self.text.lower()


class Reader:
    """Reads a statement's tokens from left to right."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        """Begin at the first one."""
        self.tokens, self.at = tokens, 0

    def accept(self, *words: str) -> bool:
        """Pass over these words if they are next; tell whether they were."""
        following = self.tokens[self.at : self.at + len(words)]
        found = [str(one) for one in following if one.kind != "name"] == list(words)
        self.at += len(words) if found else 0
        return found

    def next_is(self, words: Sequence[str]) -> bool:
        """Tell whether one of these words is next."""
        following = self.tokens[self.at : self.at + 1]
        return any(one.kind == "word" and str(one) in words for one in following)

    def name(self) -> str:
        """Pass over a name, and the schema before it; "" where there is none."""
        found = ""
        while self.at < len(self.tokens) and self.tokens[self.at].kind in ("name", "word"):
            found = self.tokens[self.at].identifier
            self.at += 1
            if not self.accept("."):
                break
        return found

    def table(self) -> str:
        """Pass over the name of a table or column, and the words that may stand before it."""
        self.accept("IF", "EXISTS") or self.accept("IF", "NOT", "EXISTS")
        self.accept("ONLY")
        return self.name()

    def rest(self) -> str:
        """What is left, with a space before it."""
        text = "".join(" " * one.spaced + str(one) for one in self.tokens[self.at :])
        return f" {text.strip()}" if text else ""

    def parts(self) -> Iterator[Sequence[Token]]:
        """What is left, cut at its commas."""
        yield from _cut(self.tokens[self.at :], ",")


def split_statements(sql: str) -> list[str]:
    """Return the statements of some SQL, in the form that Django writes."""
    tokens, spaced = [], False
    for found in TOKEN.finditer(sql):
        kind = str(found.lastgroup)
        if kind != "space":
            tokens.append(Token(kind, found[0], spaced))
        spaced = kind == "space"
    return [one for part in _cut(tokens, ";") if part for one in _read(part)]


def _cut(tokens: Sequence[Token], sign: str) -> Iterator[Sequence[Token]]:
    """Cut tokens at a sign that stands in no parentheses."""
    begin, depth = 0, 0
    for at, token in enumerate(tokens):
        depth += (token.text in ("(", "[")) - (token.text in (")", "]"))
        if token.text == sign and depth == 0:
            yield tokens[begin:at]
            begin = at + 1
    yield tokens[begin:]


def _read(tokens: Sequence[Token]) -> list[str]:
    """Return one statement; several where it does several things or names several tables."""
    reader = Reader(tokens)
    if reader.accept("ALTER", "TABLE") and (table := reader.table()):
        reader.accept("*")
        return [f'ALTER TABLE "{table}"{_action(Reader(part))}' for part in reader.parts()]
    reader.at = 0
    if reader.accept("DROP", "TABLE") and (table := reader.table()):
        tables = [table]
        while reader.accept(","):
            tables.append(reader.name())
        return [f'DROP TABLE "{one}"{reader.rest()}' for one in tables]
    reader.at = 0
    if reader.accept("CREATE") and (made := _created(reader)):
        return [made]
    for words in DATA:
        reader.at = 0
        if reader.accept(*words) and (table := reader.table()):
            head = "TRUNCATE TABLE" if words[0] == "TRUNCATE" else " ".join(words)
            return [f'{head} "{table}"{reader.rest()}']
    reader.at = 0
    return [reader.rest().strip()]


def _created(reader: Reader) -> str:
    """Return what creates an index or a table; "" for anything else."""
    unique = "UNIQUE " * reader.accept("UNIQUE")
    if reader.accept("INDEX"):
        concurrently = "CONCURRENTLY " * reader.accept("CONCURRENTLY")
        name = "" if reader.next_is(["ON"]) else reader.table()
        if reader.accept("ON") and (table := reader.table()):
            return f'CREATE {unique}INDEX {concurrently}"{name}" ON "{table}"{reader.rest()}'
    for word in ("TEMPORARY", "TEMP", "UNLOGGED"):
        reader.accept(word)
    if reader.accept("TABLE") and (table := reader.table()):
        return f'CREATE TABLE "{table}"{reader.rest()}'
    return ""


def _action(reader: Reader) -> str:
    """Return one action of ALTER TABLE, with a space before it."""
    if reader.accept("RENAME"):
        if reader.next_is(["CONSTRAINT"]):
            return f" RENAME{reader.rest()}"
        if reader.accept("TO"):
            return f' RENAME TO "{reader.name()}"'
        reader.accept("COLUMN")
        return f' RENAME COLUMN "{reader.name()}"{reader.rest()}'
    for verb in ("ADD", "DROP", "ALTER"):
        if reader.accept(verb):
            if reader.next_is(CONSTRAINTS):
                unnamed = "" if reader.next_is(["CONSTRAINT"]) else ' CONSTRAINT ""'
                return f" {verb}{unnamed}{reader.rest()}"
            reader.accept("COLUMN")
            column = reader.table()
            rest = re.sub("^ SET DATA TYPE", " TYPE", reader.rest())
            if verb == "ADD" and re.search("NOT NULL.* DEFAULT ", rest):
                rest = f"{rest.replace(' NOT NULL', '', 1)} NOT NULL"  # Django writes it at the end
            return f' {verb} COLUMN "{column}"{rest}'
    return reader.rest()
