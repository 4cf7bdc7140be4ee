"""What of a dump is loaded, what is counted, and what is left out."""

from __future__ import annotations

import errno
import io
import tarfile
from pathlib import Path

import pytest

from espalier_machine.importing import archive, sql, uploads
from espalier_machine.importing.errors import ImportingError

PLAIN = rb"""--
-- PostgreSQL database dump
--
\restrict abc
SET statement_timeout = 0;
CREATE SCHEMA heroku_ext;
ALTER SCHEMA heroku_ext OWNER TO uabc;
CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA heroku_ext;
COMMENT ON EXTENSION citext IS 'case-insensitive';
CREATE FUNCTION public.f() RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
GRANT SELECT ON t TO public;
END;
$$;
ALTER FUNCTION public.f() OWNER TO uabc;
CREATE EVENT TRIGGER watch ON ddl_command_end
   EXECUTE FUNCTION _heroku.watch();
CREATE TABLE public."user" (
    id integer
);
ALTER TABLE public."user" OWNER TO uabc;
COPY public."user" (id, name) FROM stdin;
1	GRANT
2	\\connect
\.
COPY public."we ""are"" here" (id) FROM stdin;
\.
INSERT INTO public.log VALUES (1, 'a');
SELECT pg_catalog.setval('public.user_id_seq', 2, true);
REVOKE ALL ON SCHEMA public FROM PUBLIC;
\unrestrict abc
-- PostgreSQL database dump complete
"""
CLEANED = rb"""--
-- PostgreSQL database dump
--
SET statement_timeout = 0;
CREATE SCHEMA IF NOT EXISTS heroku_ext;
CREATE FUNCTION public.f() RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
GRANT SELECT ON t TO public;
END;
$$;
CREATE TABLE public."user" (
    id integer
);
COPY public."user" (id, name) FROM stdin;
1	GRANT
2	\\connect
\.
COPY public."we ""are"" here" (id) FROM stdin;
\.
INSERT INTO public.log VALUES (1, 'a');
SELECT pg_catalog.setval('public.user_id_seq', 2, true);
-- PostgreSQL database dump complete
"""


def test_sql_is_cleaned_of_owners_and_of_what_a_superuser_makes() -> None:
    dump = sql.Dump()
    assert b"".join(sql.clean(PLAIN.splitlines(keepends=True), dump)) == CLEANED
    assert dump.rows == {"public.user": 2, 'public.we "are" here': 0, "public.log": 1}
    assert dump.extensions == [{"name": "citext", "schema": "heroku_ext"}]
    assert dump.left_out == ["CREATE EVENT TRIGGER watch ON ddl_command_end"]


def test_what_is_left_out_of_sql_is_left_out_to_its_semicolon() -> None:
    """Its comments have several lines, and others are changed after they are made."""
    text = b"""COMMENT ON SCHEMA public IS 'it''s;
DROP TABLE a;
';
CREATE EVENT TRIGGER e ON ddl_command_end
   EXECUTE FUNCTION public.f();
ALTER EVENT TRIGGER e DISABLE;
COMMENT ON EVENT TRIGGER e IS 'one;
two';
CREATE PUBLICATION p WITH (publish = 'insert');
ALTER PUBLICATION p ADD TABLE ONLY public.a;
COMMENT ON PUBLICATION p IS 'x';
SET a = 1;
"""
    dump = sql.Dump()
    assert list(sql.clean(text.splitlines(keepends=True), dump)) == [b"SET a = 1;\n"]
    assert [what.split()[1] for what in dump.left_out] == ["EVENT", "PUBLICATION"]
    with pytest.raises(ImportingError, match="its end is missing"):
        list(sql.clean([b"COMMENT ON PUBLICATION p IS 'x\n"], sql.Dump()))


def test_what_clean_drops_is_not_there_yet() -> None:
    text = b"""ALTER TABLE ONLY public.a DROP CONSTRAINT a_pkey;
DROP TABLE public.a;
DROP EXTENSION IF EXISTS citext;
CREATE EXTENSION IF NOT EXISTS citext WITH SCHEMA public;
DROP SCHEMA app;
"""
    made = (
        b"CREATE TABLE public.a (\n    id integer\n);\nALTER TABLE public.a ADD b int;\nDROP x;\n"
    )
    lines = (text + made).splitlines(keepends=True)
    assert b"".join(sql.clean(lines, sql.Dump())) == made


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"\\connect shop\n", "of a whole server"),
        (b"CREATE DATABASE shop WITH TEMPLATE = template0;\n", "of a whole server"),
        (b"\\! rm -rf /\n", "a command of psql"),
        (b"SELECT 'it''s' \\! rm -rf /\n", "a command of psql"),
    ],
)
def test_sql_that_would_do_more_than_fill_a_database_is_refused(line: bytes, sentence: str) -> None:
    with pytest.raises(ImportingError, match=sentence):
        list(sql.clean([line], sql.Dump()))


def test_rows_of_one_insert_are_counted() -> None:
    text = b"""INSERT INTO public.a VALUES
\t(1, 'x
\t(9, y'),
\t(2, '\\d');
INSERT INTO public.a VALUES (3, '');
"""
    assert sql.count_rows(text.splitlines(keepends=True)) == {"public.a": 3}


@pytest.mark.parametrize(
    "cut",
    ["COPY public.a (id) FROM stdin;\n1\n", "INSERT INTO public.a VALUES ('x\n", "SET a = 1;\n"],
)
def test_sql_that_is_cut_off_is_refused(cut: str) -> None:
    text = f"--\n-- PostgreSQL database dump\n--\n{cut}"
    with pytest.raises(ImportingError, match="its end is missing"):
        sql.count_rows(text.encode().splitlines(keepends=True))
    whole = b"SET a = 1;\n--\n-- PostgreSQL database dump complete\n--\n"
    assert sql.count_rows(whole.splitlines(keepends=True)) == {}


def test_extension_is_read_from_its_statement() -> None:
    read = sql.extension_of
    assert read("CREATE EXTENSION IF NOT EXISTS hstore WITH SCHEMA public;") == {
        "name": "hstore",
        "schema": "public",
    }
    assert read('CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA "My ext";') == {
        "name": "uuid-ossp",
        "schema": "My ext",
    }
    assert read("CREATE EXTENSION plpgsql;") == {"name": "plpgsql", "schema": ""}
    assert read("CREATE TABLE x ();") is None
    assert read("CREATE EXTENSION IF NOT EXISTS hypopg WITH SCHEMA espalier_insight;") is None


LISTING = """;
; Archive created at 2026-11-28
;     dbname: d9f
;
8; 2615 16500 SCHEMA - heroku_ext uabc
9; 2615 16501 SCHEMA - _heroku heroku_admin
2; 3079 16400 EXTENSION - citext
4100; 0 0 COMMENT - EXTENSION citext
10; 1255 16502 FUNCTION _heroku watch() heroku_admin
11; 2615 16510 SCHEMA - espalier_pooler postgres
12; 1255 16511 FUNCTION espalier_pooler verifier(text) postgres
13; 2615 16520 SCHEMA - espalier_insight postgres
217; 1259 16386 TABLE public garden_tree uabc
3900; 3466 16503 EVENT TRIGGER - watch heroku_admin
4103; 0 0 COMMENT - EVENT TRIGGER watch heroku_admin
3800; 2613 16600 BLOB - 16600 uabc
4101; 0 0 SEQUENCE SET public garden_tree_id_seq uabc
4102; 0 0 COMMENT - SCHEMA public postgres
"""


def test_entries_of_a_dump_are_divided() -> None:
    load, extensions, mentioned = archive.choose(LISTING)
    assert [line.split(" ", 3)[3] for line in load] == [
        "SCHEMA - heroku_ext uabc",
        "TABLE public garden_tree uabc",
        "BLOB - 16600 uabc",
        "SEQUENCE SET public garden_tree_id_seq uabc",
    ]
    assert extensions == ["2; 3079 16400 EXTENSION - citext"]
    assert mentioned == ["EVENT TRIGGER - watch heroku_admin"]


def stream(**files: bytes) -> io.BytesIO:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w|") as archive_:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive_.addfile(member, io.BytesIO(content))
    packed.seek(0)
    return packed


def test_uploads_take_their_place_and_what_was_there_goes_aside(tmp_path: Path) -> None:
    media, staging, aside = (tmp_path / name for name in ("media", "staging", "aside"))
    for directory in (media, staging, aside):
        directory.mkdir()
    (media / "cat.jpg").write_bytes(b"old")
    names = uploads.receive(stream(**{"cat.jpg": b"new", "2026/dog.jpg": b"dog"}), staging)
    assert (media / "cat.jpg").read_bytes() == b"old"
    assert uploads.merge(names, media, staging, aside) == 1
    assert (media / "cat.jpg").read_bytes() == b"new"
    assert (media / "2026/dog.jpg").read_bytes() == b"dog"
    assert (aside / "cat.jpg").read_bytes() == b"old"


def test_uploads_may_lie_on_a_disk_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_disk(*names: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    media, staging, aside = (tmp_path / name for name in ("media", "staging", "aside"))
    for directory in (media, staging, aside):
        directory.mkdir()
    (media / "cat.jpg").write_bytes(b"old")
    names = uploads.receive(stream(**{"cat.jpg": b"new"}), staging)
    monkeypatch.setattr("os.replace", other_disk)
    monkeypatch.setattr("os.rename", other_disk)
    assert uploads.merge(names, media, staging, aside) == 1
    assert (media / "cat.jpg").read_bytes() == b"new"
    assert (aside / "cat.jpg").read_bytes() == b"old"


@pytest.mark.parametrize("name", ["../passwd", "/etc/passwd", "a/../../b"])
def test_upload_that_leads_out_of_the_directory_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no file below"):
        uploads.receive(stream(**{name: b"x"}), tmp_path)


def test_texts_of_inserts_are_no_statements() -> None:
    text = b"""INSERT INTO public.auth_user VALUES (1, 'pbkdf2_sha256$600000$aBcD$hash=');
INSERT INTO public.auth_user VALUES (2, 'it''s "one $$');
INSERT INTO public.note VALUES (1, 'Dear all,
GRANT him access -- it''s
\\connect
INSERT INTO public.note VALUES (9);
thanks');
-- Name: it's a comment; Type: TABLE; Schema: public; Owner: uabc
"""
    owned = b"ALTER TABLE public.note OWNER TO uabc;\n"
    dump = sql.Dump()
    assert b"".join(sql.clean((text + owned).splitlines(keepends=True), dump)) == text
    assert dump.rows == {"public.auth_user": 2, "public.note": 1}
