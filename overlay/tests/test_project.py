"""The overlay under a real project, in processes of its own, as a release runs it."""

import json
import textwrap
from pathlib import Path

import pytest

from overlay.tests.conftest import Run

CLIENT = "import django; django.setup(); from django.test import Client; c = Client();"


def outcome(run: Run, code: str, **environ: str) -> dict:
    """Run code that prints one JSON object last, and return that."""
    result = run("-c", code, **environ)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def probe(run: Run, path: str, **environ: str) -> dict:
    """Return status, headers and body of a probe by IP address."""
    code = f"""{CLIENT}
import json
r = c.get({path!r}, headers={{"host": "198.18.0.7"}})
print(json.dumps([r.status_code, dict(r.headers), json.loads(r.content)]))"""
    status, headers, body = outcome(run, code, **environ)
    return {"status": status, "headers": headers, "body": body}


@pytest.fixture
def migrated(run: Run) -> None:
    """Migrate the SQLite database of the test."""
    assert run("manage.py", "migrate", "--verbosity", "0").returncode == 0


def test_alive_answers_any_host_and_needs_no_database(run: Run):
    answer = probe(run, "/-/alive", TINY_DATABASE="/no/such/directory/db", ESPALIER_HTTPS="1")
    assert answer["status"] == 200
    assert answer["body"] == {"status": "alive", "release": "r1", "machine": "vps1"}
    assert answer["headers"]["Content-Type"] == "application/json"
    assert answer["headers"]["Cache-Control"] == "no-store"


def test_ready_waits_for_migrations(run: Run):
    assert run("manage.py", "migrate", "--verbosity", "0", "notes", "0001").returncode == 0
    answer = probe(run, "/-/ready")
    assert answer["status"] == 503
    assert answer["body"]["status"] == "unready"
    assert "notes.0002_note_stars" in answer["body"]["reason"]
    assert run("manage.py", "migrate", "--verbosity", "0").returncode == 0
    answer = probe(run, "/-/ready")
    assert answer["status"] == 200
    assert answer["body"] == {"status": "ready", "release": "r1", "machine": "vps1"}


@pytest.mark.usefixtures("migrated")
def test_ready_after_a_newer_release_has_migrated(run: Run):
    code = f"""{CLIENT}
import json
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
MigrationRecorder(connection).record_applied("notes", "0003_from_the_future")
print(json.dumps(c.get("/-/ready").status_code))"""
    assert outcome(run, code) == 200


@pytest.mark.usefixtures("migrated")
def test_ready_looks_for_migrations_until_they_are_there_and_then_no_more(run: Run):
    code = f"""{CLIENT}
import json
from unittest import mock
from espalier_overlay import health
with mock.patch.object(health, "pending_migrations", side_effect=[["a.1"], []]) as pending:
    statuses = [c.get("/-/ready").status_code for _ in range(4)]
print(json.dumps([statuses, pending.call_count]))"""
    assert outcome(run, code) == [[503, 200, 200, 200], 2]


def test_unreachable_database_is_503_without_its_password(run: Run):
    url = "postgresql://o:hunter2@%2Fno%2Fsuch%2Fdir/db"
    answer = probe(run, "/-/ready", ESPALIER_DATABASE_URL=url)
    assert answer["status"] == 503
    assert "OperationalError" in answer["body"]["reason"]
    assert "hunter2" not in json.dumps(answer)


@pytest.mark.usefixtures("migrated")
def test_the_async_client_is_answered_by_an_async_chain(run: Run):
    code = """
import asyncio, json
from tiny.asgi import application
from django.test import AsyncClient
async def main():
    c = AsyncClient()
    paths = ("/-/alive", "/-/ready")
    statuses = [(await c.get(p, headers={"host": "198.18.0.7"})).status_code for p in paths]
    page = await c.get("/")
    print(json.dumps([*statuses, page.status_code]))
asyncio.run(main())"""
    assert outcome(run, code, ESPALIER_ALLOWED_HOSTS="testserver") == [200, 200, 200]


@pytest.mark.parametrize(("module", "age"), [("wsgi", 600), ("asgi", 0)])
def test_connections_are_kept_only_where_django_can_reuse_them(run: Run, module: str, age: int):
    code = f"""
import json, tiny.{module}
from django.conf import settings
print(json.dumps(settings.DATABASES["default"]["CONN_MAX_AGE"]))"""
    assert outcome(run, code, ESPALIER_DATABASE_URL="postgresql://o@h/db") == age


@pytest.mark.usefixtures("migrated")
def test_a_page_over_https_has_secure_cookies_and_static_names(run: Run, tmp_path: Path):
    assert run("manage.py", "collectstatic", "--noinput").returncode == 0
    code = f"""{CLIENT}
import json
headers = {{"host": "tiny.example.com", "x-forwarded-proto": "https"}}
r = c.get("/", headers=headers)
print(json.dumps([r.status_code, r.content.decode(), [bool(m["secure"]) for m in
    r.cookies.values()]]))"""
    status, page, secure = outcome(run, code, ESPALIER_HTTPS="1")
    assert status == 200
    assert "secure: True" in page
    assert secure == [True, True]
    manifest = json.loads((tmp_path / "static/staticfiles.json").read_text())["paths"]
    assert f'"/static/{manifest["notes/site.css"]}"' in page
    assert manifest["notes/site.css"] != "notes/site.css"
    assert '"/static/notes/missing.png"' in page


def test_other_hosts_get_no_page(run: Run):
    code = f"""{CLIENT}
import json
print(json.dumps(c.get("/", headers={{"host": "evil.example"}}).status_code))"""
    result = run("-c", code)
    assert result.stdout == "400\n"
    assert "evil" not in result.stderr


def test_collectstatic_survives_dangling_circular_and_latin1_files(run: Run, tmp_path: Path):
    result = run("manage.py", "collectstatic", "--noinput")
    assert result.returncode == 0, result.stderr
    static = tmp_path / "static"
    manifest = json.loads((static / "staticfiles.json").read_text())["paths"]
    hashed = {name: (static / stored).read_bytes() for name, stored in manifest.items()}

    dot, more = manifest["notes/dot.svg"], manifest["notes/more.css"]
    assert hashed["notes/site.css"].decode() == textwrap.dedent(f"""\
        @import url("{Path(more).name}");
        body {{ background: url("{Path(dot).name}"); }}
        h1 {{ background: url("gone.png"); }}
        h2 {{ background: url(../../../../outside.png); }}
        /*# sourceMappingURL=site.css.map */
        """)
    assert f'url("{Path(dot).name}?v=2#x")' in hashed["notes/more.css"].decode()
    for name in ("circle-a.css", "circle-b.css", "latin1.css", "app.js"):
        assert hashed[f"notes/{name}"] == (static / "notes" / name).read_bytes()


def test_collectstatic_gives_the_same_names_again(run: Run, tmp_path: Path):
    names = []
    for root in ("one", "two"):
        run("manage.py", "collectstatic", "--noinput", ESPALIER_STATIC_ROOT=str(tmp_path / root))
        names.append((tmp_path / root / "staticfiles.json").read_text())
    assert names[0] == names[1]


def test_a_failed_page_leaves_its_traceback_on_stderr(run: Run):
    code = f"{CLIENT} c.raise_request_exception = False; print(c.get('/boom').status_code)"
    result = run("-c", code, ESPALIER_ALLOWED_HOSTS="testserver")
    assert result.stdout == "500\n"
    assert result.stderr.count("RuntimeError: boom in the view") == 1
    assert "ERROR django.request" in result.stderr


def test_broken_settings_show_the_projects_own_traceback(run: Run):
    result = run("-c", "import django; django.setup()", ESPALIER_SETTINGS="tiny.broken")
    assert result.returncode == 1
    assert 'tiny/broken.py", line 3' in result.stderr
    assert result.stderr.rstrip().endswith("KeyError: 'no-such-key-in-the-project'")


@pytest.mark.parametrize("name", ["", "espalier_overlay.settings"])
def test_a_missing_settings_module_is_explained(run: Run, name: str):
    result = run("-c", "import django; django.setup()", ESPALIER_SETTINGS=name)
    assert result.returncode == 1
    assert "must name the project's own settings module" in result.stderr


def test_migrate_on_sqlite_says_what_it_did(run: Run):
    first = run("-m", "espalier_overlay.migrate")
    assert first.returncode == 0, first.stderr
    assert "Applying notes.0002_note_stars... OK" in first.stdout
    assert "notes.0001_initial, notes.0002_note_stars" in first.stdout.splitlines()[-1]
    assert run("-m", "espalier_overlay.migrate").stdout == "nothing to migrate\n"


def test_migrate_works_without_the_overlay(run: Run):
    result = run("-m", "espalier_overlay.migrate", DJANGO_SETTINGS_MODULE="tiny.elsewhere")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1].startswith("applied ")


def test_a_cache_in_the_database_has_its_table(run: Run):
    own = {"ESPALIER_SETTINGS": "tiny.cached"}
    asked = "from django.core.cache import cache as c; print(c.add('a', 1), c.get('a'))"
    assert run("-m", "espalier_overlay.migrate", **own).returncode == 0
    result = run("manage.py", "shell", "-v0", "-c", asked, **own)
    assert result.stdout.split() == ["True", "1"], result.stderr
    result = run("-m", "espalier_overlay.migrate", **own)  # the table is kept, with what is in it
    assert result.stdout == "nothing to migrate\n"
    result = run("manage.py", "shell", "-v0", "-c", asked, **own)
    assert result.stdout.split() == ["False", "1"], result.stderr
