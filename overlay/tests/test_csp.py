"""A Content-Security-Policy that is tried: which pages have it, and what is logged of reports."""

import json
import logging

import pytest

from espalier_overlay import csp
from overlay.tests.applied import applied
from overlay.tests.conftest import Run

CLIENT = (
    "import django; django.setup(); from django.test import Client; "
    "c = Client(headers={'host': 'tiny.example.com'});"
)
BLOCKED = "https://cdn.example/app.js?token=s3cret"


def report(**fields: object) -> bytes:
    given = {
        "document-uri": "https://shop.example/cart/?q=1",
        "effective-directive": "script-src-elem",
        "blocked-uri": BLOCKED,
    }
    return json.dumps({"csp-report": {**given, **fields}}).encode()


def logged(caplog: pytest.LogCaptureFixture, *bodies: bytes) -> list[str]:
    reports = csp.Reports()
    with caplog.at_level(logging.WARNING, "espalier.csp"):
        for body in bodies:
            reports.take(body)
    return [record.getMessage() for record in caplog.records]


def test_it_is_off_by_default_and_comes_before_the_project_s_own() -> None:
    first = ["espalier_overlay.health.middleware", "espalier_overlay.timing.middleware"]
    csp = "espalier_overlay.csp.middleware"
    assert applied({"MIDDLEWARE": ["a"]})["MIDDLEWARE"] == [*first, "a"]
    assert applied({"MIDDLEWARE": ["a"]}, CSP="report")["MIDDLEWARE"] == [*first, csp, "a"]


def test_each_directive_and_origin_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    again = report(**{"blocked-uri": "https://cdn.example/b.js", "document-uri": "https://x/y/"})
    inline = report(**{"blocked-uri": "inline"})
    assert logged(caplog, report(), again, inline, report()) == [
        "Content-Security-Policy would block: script-src-elem from https://cdn.example, on /cart/",
        "Content-Security-Policy would block: script-src-elem from inline, on /cart/",
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"[" * 10000,
        b'{"csp-report": []}',
        b'{"csp-report": {}}',
        report(**{"blocked-uri": "https://[x"}),
        report(**{"effective-directive": "\n\x1b"}),
    ],
)
def test_what_is_no_report_is_dropped(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    assert logged(caplog, body) == []


def test_a_stranger_writes_no_lines_and_no_books(caplog: pytest.LogCaptureFixture) -> None:
    forged = report(
        **{"effective-directive": "x\nERROR django: \x1b[31m", "blocked-uri": "y" * 999}
    )
    (line,) = logged(caplog, forged)
    assert line.isprintable()
    assert len(line) < 600
    caplog.clear()
    many = [report(**{"blocked-uri": f"https://{number}.example/"}) for number in range(600)]
    assert len(logged(caplog, *many)) == 500


def outcome(run: Run, code: str, **environ: str) -> list:
    result = run("-c", code, **environ)
    assert result.returncode == 0, result.stderr
    return [*json.loads(result.stdout.splitlines()[-1]), result.stderr]


PAGES = f"""{CLIENT}
import json
from django.core.management import call_command
call_command("migrate", verbosity=0)
page = c.get("/")
kind = "application/csp-report"
sent = c.post("/-/csp", {report()!r}, content_type=kind, headers={{"host": "198.18.0.7"}})
large = c.post("/-/csp", b"x" * 17000, content_type=kind)
print(json.dumps([page.headers.get("{csp.HEADER}"), c.get("/-/alive").headers.get("{csp.HEADER}"),
    sent.status_code, large.status_code]))"""


def test_pages_have_it_and_reports_reach_the_journal(run: Run) -> None:
    page, alive, sent, large, stderr = outcome(run, PAGES, ESPALIER_CSP="report")
    assert "default-src 'self'" in page
    assert "report-uri /-/csp" in page
    assert alive is None
    assert (sent, large) == (204, 204)
    assert "would block: script-src-elem from https://cdn.example, on /cart/" in stderr
    assert "s3cret" not in stderr


def test_a_site_that_does_not_ask_for_it_has_none(run: Run) -> None:
    page, _, sent, _, stderr = outcome(run, PAGES)
    assert page is None
    assert sent == 400  # a wrong host, as for every page
    assert "would block" not in stderr


@pytest.mark.parametrize("own", ["Content-Security-Policy", csp.HEADER])
def test_a_policy_of_the_project_s_own_is_left_alone(own: str) -> None:
    from django.conf import settings

    if not settings.configured:
        settings.configure()
    from django.http import HttpResponse

    def page(request: object) -> HttpResponse:
        return HttpResponse(headers={own: "default-src https:"})

    request = type("Request", (), {"path_info": "/"})()
    headers = csp.middleware(page)(request).headers
    assert headers[own] == "default-src https:"
    assert [name for name in headers if name.startswith("Content-Security")] == [own]
