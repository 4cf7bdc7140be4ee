"""Whether mail of the site's reaches its server: one is sent from a machine that runs Django."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from espalier.inventory.remote import reach
from espalier.inventory.site import Site
from espalier.readiness.findings import Finding, failed, ok
from espalier_machine.common.text import last_line

# The end of a traceback, and what to do about it. {server} is where the mail was to go, {words}
# what the other side or Python said.
CAUSES = (
    ("ConnectionRefusedError", "nothing listens at {server}: check `host` and `port`"),
    ("gaierror", "there is no such host: {server}; check `host`"),
    (
        "TimeoutError|timed out",
        "{server} does not answer: check `host` and `port`; a port where TLS begins at once, as on "
        "465, wants `tls: ssl`; many providers of machines close port 25 to the outside",
    ),
    ("No route to host|Network is unreachable", "{server} cannot be reached from there"),
    (
        "SMTPAuthenticationError",
        "{server} refuses the user or the password (`vault_email_password`): {words}",
    ),
    (
        "STARTTLS extension not supported",
        '{server} offers no STARTTLS: write `tls: ssl`, or `tls: "none"`',
    ),
    ("AUTH extension not supported", "{server} takes no password that way: check `tls` and `port`"),
    ("WRONG_VERSION_NUMBER", "{server} does not begin with TLS: write `tls: starttls`"),
    ("CERTIFICATE_VERIFY_FAILED", "the certificate of {server} is not good: {words}"),
    ("SMTPServerDisconnected", "{server} hung up: with port 465 write `tls: ssl`; {words}"),
    ("SMTPSenderRefused", "{server} does not take mail from this address (`from`): {words}"),
    ("SMTPRecipientsRefused", "{server} does not take mail to {address}: {words}"),
    ("SMTP", "{server} refuses the message: {words}"),
)


def send(site: Site, address: str) -> Finding:
    """Send a message as the project does, from the first machine that runs Django."""
    machine = site.app_machines[0]
    if site.project.get("quiet"):
        return failed("mail", "the site is quiet (`quiet` in project.yml): it sends none", machine)
    words = ["release", "--project", site.name, "manage", "--", "sendtestemail", address]
    with reach(site) as remote:
        status, output, errors = remote.run(machine, words)
    email: Mapping[str, Any] = site.project.get("email") or {}
    server = ":".join(str(email[key]) for key in ("host", "port") if key in email)
    return judge(status, output, errors, machine, address, server or "the project's mail server")


def judge(
    status: int, output: str, errors: str, machine: str, address: str, server: str
) -> Finding:
    """What came of it, in words.

    Args:
        status: of `manage.py sendtestemail`.
        output: of it: the message, where the project's settings write mail to the screen.
        errors: its error output, a traceback where it failed.
        machine: where it ran.
        address: to whom.
        server: by which server, as a person knows it.
    """
    if status == 0 and re.search(r"(?m)^Subject: ", output):
        what = "the project's settings write mail to the screen (EMAIL_BACKEND): write `email:`"
        return failed("mail", what, machine)
    if status == 0:
        return ok("mail", f"{server} took a message to {address}", machine)
    end = last_line(errors)
    for pattern, sentence in CAUSES:
        if re.search(pattern, end):
            return failed(
                "mail", sentence.format(server=server, words=_words(end), address=address), machine
            )
    return failed("mail", f"no message was sent: {end or 'no answer'}", machine)


def _words(error: str) -> str:
    """What the other side said: smtplib shows it as (code, b'text')."""
    if found := re.search(r"\((\d{3}), b(['\"])(.*?)\2", error):
        return f"{found[1]} {found[3]}".replace("\\n", " ")
    # Of Python's TLS, without the names of its own files and errors.
    return re.sub(r"\[SSL: \w+\] | \(_ssl\.c:\d+\)", "", error.partition(": ")[2]) or error
