"""What came of a message, in people's words."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from espalier.readiness import mail
from espalier.readiness.mail import judge

SERVER = "smtp.example.com:587"


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("ConnectionRefusedError: [Errno 111] Connection refused", f"nothing listens at {SERVER}"),
        ("socket.gaierror: [Errno -2] Name or service not known", f"no such host: {SERVER}"),
        ("TimeoutError: timed out", f"{SERVER} does not answer"),
        (
            "smtplib.SMTPAuthenticationError: (535, b'5.7.8 Bad credentials')",
            f"{SERVER} refuses the user or the password (`vault_email_password`): "
            "535 5.7.8 Bad credentials",
        ),
        (
            "smtplib.SMTPRecipientsRefused: {'a@b.example': (550, b'No such user here')}",
            f"{SERVER} does not take mail to a@b.example: 550 No such user here",
        ),
        (
            "smtplib.SMTPSenderRefused: (553, b'Not yours', 'x@y.example')",
            "does not take mail from this address (`from`): 553 Not yours",
        ),
        (
            "smtplib.SMTPNotSupportedError: STARTTLS extension not supported by server.",
            "offers no STARTTLS",
        ),
        ("ssl.SSLError: [SSL: WRONG_VERSION_NUMBER] wrong version number", "`tls: starttls`"),
        (
            "ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify "
            "failed: self-signed certificate (_ssl.c:1029)",
            f"the certificate of {SERVER} is not good: certificate verify failed: self-signed "
            "certificate",
        ),
        ("smtplib.SMTPDataError: (554, b'Spam')", "refuses the message: 554 Spam"),
        ("ValueError: something else", "no message was sent: ValueError: something else"),
    ],
)
def test_a_message_that_was_not_taken(end: str, told: str) -> None:
    finding = judge(1, "", f"Traceback:\n  File\n{end}\n", "vps1", "a@b.example", SERVER)
    assert finding.is_failed
    assert told in finding.text
    assert "_ssl" not in finding.text


def test_a_message_that_was_taken() -> None:
    finding = judge(0, "", "", "vps1", "a@b.example", SERVER)
    assert (finding.level, finding.text) == ("ok", f"{SERVER} took a message to a@b.example")


def test_a_message_on_the_screen_is_not_sent() -> None:
    shown = "Content-Type: text/plain\nSubject: Test email\n"
    assert "write `email:`" in judge(0, shown, "", "vps1", "a@b.example", SERVER).text


def test_no_message_is_said_to_be_sent_from_a_quiet_site(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "reach", lambda site: pytest.fail("it is not asked"))
    site = SimpleNamespace(name="shop", project={"quiet": True}, app_machines=["vps1"])
    finding = mail.send(site, "anna@example.com")  # type: ignore[arg-type]
    assert (finding.level, finding.text) == (
        "failed",
        "the site is quiet (`quiet` in project.yml): it sends none",
    )
