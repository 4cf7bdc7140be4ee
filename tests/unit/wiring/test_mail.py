"""What Django is told of a mail server."""

from __future__ import annotations

from espalier.wiring.mail import email_environment

EMAIL = {"host": "smtp.example.com", "port": 587, "user": "", "from": "a@b.example", "tls": "ssl"}


def test_a_mail_server_is_told_and_a_password_only_with_a_user() -> None:
    expected = {
        "ESPALIER_EMAIL_HOST": "smtp.example.com",
        "ESPALIER_EMAIL_PORT": "587",
        "ESPALIER_EMAIL_USER": "",
        "ESPALIER_EMAIL_FROM": "a@b.example",
        "ESPALIER_EMAIL_TLS": "ssl",
    }
    assert email_environment(EMAIL, "secret") == expected
    with_user = email_environment({**EMAIL, "user": "shop"}, "secret")
    assert with_user == {
        **expected,
        "ESPALIER_EMAIL_USER": "shop",
        "ESPALIER_EMAIL_PASSWORD": "secret",
    }
    assert email_environment({}, "secret") == {}
