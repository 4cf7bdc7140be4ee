"""Tries a Content-Security-Policy: browsers block nothing, and tell what they would have blocked.

Pages for which the project sends a policy of its own, enforced or tried, are left as they are.
What browsers tell (POST /-/csp) is logged once for each directive and origin.
"""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

REPORTS = "/-/csp"
HEADER = "Content-Security-Policy-Report-Only"
# Everything from the site itself, nothing written into pages but images: where a project begins.
POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'self'; "
    f"form-action 'self'; frame-ancestors 'self'; report-uri {REPORTS}"
)
MAX_BYTES = 16 * 1024  # of one report, as in nginx
MAX_KINDS = 500  # that one process logs: anybody can send reports
MAX_WORD = 200

logger = logging.getLogger("espalier.csp")


class Reports:
    """What this process was told already."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._known: set[tuple[str, str]] = set()

    def take(self, body: bytes) -> None:
        """Log a report of a browser, if it is the first of its kind."""
        report = _report(body)
        if report is None:
            return
        directive = _word(report.get("effective-directive") or report.get("violated-directive"))
        blocked = _origin(_word(report.get("blocked-uri")))
        kind = (directive, blocked)
        if not all(kind) or kind in self._known or len(self._known) >= MAX_KINDS:
            return
        self._known.add(kind)
        page = urlsplit(_word(report.get("document-uri"))).path
        logger.warning(
            "Content-Security-Policy would block: %s from %s, on %s", directive, blocked, page
        )


def _report(body: bytes) -> Mapping[str, Any] | None:
    """Read what a browser sent as application/csp-report; None for anything else."""
    try:
        report = json.loads(body)["csp-report"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return report if isinstance(report, Mapping) else None


def _word(value: Any) -> str:
    """Return text of a stranger as one word of a log line."""
    text = str(value or "")[:MAX_WORD]
    return "".join(letter for letter in text if letter.isprintable() and not letter.isspace())


def _origin(blocked: str) -> str:
    """Return scheme and host of what was blocked, or the word that stands for it: `inline`."""
    try:
        parts = urlsplit(blocked)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}" if host else blocked


def _is_to_be_tried(response: Any) -> bool:
    own = response.headers.get("Content-Security-Policy") or response.headers.get(HEADER)
    return not own and response.headers.get("Content-Type", "").startswith("text/html")


@sync_and_async_middleware
def middleware(get_response: Callable[..., Any]) -> Callable[..., Any]:
    """Take reports; send the policy with every page that has none."""
    reports = Reports()

    def take(request: HttpRequest) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or ""
        if request.method == "POST" and length.isdecimal() and int(length) <= MAX_BYTES:
            reports.take(request.body)
        return HttpResponse(status=204)

    def with_policy(response: Any) -> Any:
        if _is_to_be_tried(response):
            response.headers[HEADER] = POLICY
        return response

    if iscoroutinefunction(get_response):

        async def report_or_pass(request: HttpRequest) -> Any:
            if request.path_info == REPORTS:
                return take(request)
            return with_policy(await get_response(request))

    else:

        def report_or_pass(request: HttpRequest) -> Any:
            if request.path_info == REPORTS:
                return take(request)
            return with_policy(get_response(request))

    return report_or_pass
