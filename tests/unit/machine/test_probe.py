"""Probes, over a slot's socket and through nginx."""

from __future__ import annotations

import http.server
import json
import sys
import threading

import pytest

from espalier_machine.release import front, slots
from espalier_machine.release.errors import ReleaseError
from espalier_machine.release.probe import probe
from espalier_machine.release.record import Release
from espalier_machine.release.slots import warm_up

from .fakes import archive, run_json, serve


@pytest.mark.parametrize(
    ("status", "body", "overlay", "good"),
    [
        (200, {"status": "ready", "release": "r1"}, True, True),
        (200, {"status": "ready", "release": "r0"}, True, False),
        (200, ["odd"], True, False),
        (503, {"status": "unready", "release": "r1"}, True, False),
        (404, {}, False, True),
        (500, {}, False, False),
    ],
)
def test_probe_over_a_real_socket(machine, status, body, overlay, good):
    server = serve(machine.socket("blue"), body, status)
    one = Release(machine.releases / "r1", {"overlay": overlay})
    answer = probe(machine, "blue", one)
    server.close()
    assert answer.status == status
    assert answer.is_good(one) is good
    path, headers = server.requests[0]
    assert path == ("/-/ready" if overlay else "/")
    assert headers["Host"] == "orchard.example.com"
    assert headers["X-Forwarded-Proto"] == "https"


def test_probe_of_nothing_is_an_answer_too(machine):
    one = Release(machine.releases / "r1", {"overlay": False})
    answer = probe(machine, "blue", one)
    assert (answer.status, answer.is_good(one)) == (0, False)
    assert "no answer" in str(answer)


@pytest.mark.parametrize(("status", "refused"), [(200, False), (404, False), (500, True)])
def test_front_page_that_is_a_server_error_is_refused(machine, monkeypatch, status, refused):
    log = "Traceback (most recent call last):\nValueError: no such tree"
    monkeypatch.setattr(slots, "unit_log", lambda unit, since: log)
    server = serve(machine.socket("blue"), {}, status)
    one = Release(machine.releases / "r1", {})
    try:
        if refused:
            with pytest.raises(ReleaseError, match="front page answers 500") as caught:
                warm_up(machine, "blue", one, 0)
            assert "no such tree" in caught.value.detail
        else:
            warm_up(machine, "blue", one, 0)
    finally:
        server.close()
    assert {path for path, _ in server.requests} == {"/"}


def test_a_worker_that_was_ended_for_memory_is_noticed_though_others_answer(machine, monkeypatch):
    log = "[ERROR] Worker (pid:7) was sent SIGKILL! Perhaps out of memory?"
    monkeypatch.setattr(slots, "unit_log", lambda unit, since: log)
    server = serve(machine.socket("blue"), {}, 200)
    try:
        with pytest.raises(ReleaseError, match="one of its processes was ended for want of memory"):
            warm_up(machine, "blue", Release(machine.releases / "r1", {}), 0)
    finally:
        server.close()


def test_cause_of_a_broken_front_page_is_told_where_the_log_keeps_it_back(machine, monkeypatch):
    monkeypatch.setattr(slots, "unit_log", lambda unit, since: "ERROR Internal Server Error: /")
    one = Release(machine.releases / "r1", {"workdir": "code"})
    python = one.path / "venv/bin/python"
    for folder in (one.workdir, python.parent):
        folder.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (one.path / "release.env").write_text('DJANGO_SETTINGS_MODULE="shop"\nPYTHONPATH="."\n')
    (one.workdir / "shop.py").write_text(
        "from django.urls import path\n"
        "ALLOWED_HOSTS, ROOT_URLCONF = ['orchard.example.com'], 'shop'\n"
        "def page(request):\n"
        "    raise LookupError(f'no trees for {request.scheme}')\n"
        "urlpatterns = [path('', page)]\n"
    )
    server = serve(machine.socket("blue"), {}, 500)
    with pytest.raises(ReleaseError, match="ready: LookupError: no trees for https") as caught:
        warm_up(machine, "blue", one, 0)
    server.close()
    assert "Internal Server Error" in caught.value.detail
    assert "shop.py" in caught.value.detail


def test_probe_waits_for_the_live_release_behind_nginx(machine, tmp_path, capsys, monkeypatch):
    assert run_json(capsys, "deploy", str(archive(tmp_path / "a.tar.gz")), "--id", "a")[0] == 0
    answers = iter(["another", "another", "a"])

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            assert (self.path, self.headers["Host"]) == ("/-/ready", "orchard.example.com")
            body = json.dumps({"status": "ready", "release": next(answers, "another")}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    file = machine.config.file
    changed = {"front": f"http://127.0.0.1:{server.server_port}"}
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    monkeypatch.setattr(front, "PROBE_FRONT", 5)
    assert run_json(capsys, "probe")[0] == 0
    monkeypatch.setattr(front, "PROBE_FRONT", 0.3)
    status, said = run_json(capsys, "probe")
    assert status == 1
    assert '"another"' in said["detail"]
    server.shutdown()
    server.server_close()
