"""The ways out of the machine: mail, webhooks, and the heartbeat.

Each raises ChannelError with words that hold no address: those of webhooks are secrets.
"""

from __future__ import annotations

import http.client
import json
import smtplib
import ssl
import urllib.error
import urllib.request
from email.message import EmailMessage
from email.utils import formatdate, make_msgid

from espalier_machine.alerts.config import Config, webhook_name

TIMEOUT = 15  # seconds


class ChannelError(Exception):
    """A channel did not take a message; says why, without an address."""


def send(config: Config, channel: str, subject: str, text: str, journal: str = "") -> str:
    """Send a message by one channel; gives what it answered.

    Args:
        config: the settings.
        channel: one of `config.channels`.
        subject: one line.
        text: the message.
        journal: lines of a log. They may hold what belongs to visitors, so only a mail has them.

    Raises:
        ChannelError: it was not taken.
    """
    if channel == "email":
        body = "\n\n".join(filter(None, [text, journal]))
        return _mail(config, subject, body)
    for address in config.webhook:
        if webhook_name(address) == channel:
            return post(address, f"{subject}\n{text}")
    raise ChannelError("it is no longer in the settings")


def post(address: str, text: str) -> str:
    """Send text to a webhook in the form that Slack began: {"text": …}; gives its answer."""
    return _ask(address, json.dumps({"text": text}).encode())


def get(address: str) -> str:
    """Ask for an address; gives its answer."""
    return _ask(address, None)


def _ask(address: str, content: bytes | None) -> str:
    headers = {"User-Agent": "espalier-alerts"}
    if content is not None:
        headers["Content-Type"] = "application/json"
    try:
        request = urllib.request.Request(address, content, headers)
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            response.read(65536)
            return f"{response.status} {response.reason}".strip()
    except urllib.error.HTTPError as error:
        raise ChannelError(f"it answered {error.code} {error.reason}".strip()) from None
    except urllib.error.URLError as error:
        raise ChannelError(_words(error.reason)) from None
    except OSError as error:
        raise ChannelError(_words(error)) from None
    # Its words would be the address, or a line of the answer.
    except (ValueError, http.client.HTTPException) as error:
        raise ChannelError(f"no answer of HTTP ({type(error).__name__})") from None


def _words(error: object) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message}"
    return str(getattr(error, "strerror", None) or error)


def _server(host: str, port: int, encrypted: bool, context: ssl.SSLContext) -> smtplib.SMTP:
    if encrypted:
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT, context=context)
    return smtplib.SMTP(host, port, timeout=TIMEOUT)


def _mail(config: Config, subject: str, body: str) -> str:
    smtp = config.smtp
    if not smtp:
        raise ChannelError("no mail server is known")
    message = EmailMessage()
    message["From"], message["To"] = smtp["from"], ", ".join(config.email)
    message["Subject"], message["Date"] = subject, formatdate()
    message["Message-ID"] = make_msgid(domain=config.machine or None)
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(body)
    context = ssl.create_default_context()
    try:
        with _server(smtp["host"], int(smtp["port"]), smtp["tls"] == "ssl", context) as server:
            if smtp["tls"] == "starttls":
                server.starttls(context=context)
            if smtp.get("user"):
                server.login(smtp["user"], smtp["password"])
            refused = server.send_message(message)
    except smtplib.SMTPResponseException as error:
        said = error.smtp_error
        words = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        raise ChannelError(f"{smtp['host']} answered {error.smtp_code} {words}") from None
    except smtplib.SMTPRecipientsRefused as error:
        answers = {
            f"{a}: {c} {w.decode(errors='replace')}" for a, (c, w) in error.recipients.items()
        }
        raise ChannelError(f"{smtp['host']} refuses {'; '.join(sorted(answers))}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise ChannelError(f"{smtp['host']}:{smtp['port']}: {_words(error)}") from None
    if refused:
        return f"{smtp['host']} took it, but not for {', '.join(refused)}"
    return f"{smtp['host']} took it"
