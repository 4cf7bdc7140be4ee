"""The project to test on: Django takes it, and its pages cost what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.trials.nursery import make_nursery

ASK = """
import time, django
from django.test import Client, override_settings
django.setup()
from nursery.models import Counter
client = Client()
with override_settings(ALLOWED_HOSTS=["*"]):
    began = time.thread_time()
    assert client.get("/compute/?ms=50").status_code == 200
    assert time.thread_time() - began >= 0.05
    assert client.post("/hot/?ms=1").status_code == 200
    assert client.post("/hot/?ms=1").status_code == 200
    assert Counter.objects.get(pk=1).count == 2
    assert client.get("/find/?n=1").content == b"None\\n"
    assert len(client.get("/file/?kb=3").content) == 3072
    assert client.get("/cached/?n=1&kb=2").content == b"2048\\n"
    assert client.get("/wide/?n=3").content == b"0\\n"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_nursery(tmp_path_factory.mktemp("nursery") / "nursery")


def python(project: Path, *words: str) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "orchard.settings"}
    done = subprocess.run(
        [sys.executable, *words], cwd=project, capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr


def test_migrations_make_what_models_say(project: Path) -> None:
    python(project, "manage.py", "makemigrations", "--check", "--dry-run")


def test_pages(project: Path) -> None:
    python(project, "manage.py", "migrate", "--verbosity", "0")
    python(project, "-c", ASK)


def test_made_again_it_is_the_same(project: Path) -> None:
    before = (project / "orchard/urls.py").read_text()
    make_nursery(project)
    assert (project / "orchard/urls.py").read_text() == before
    assert not (project / "db.sqlite3").exists()
