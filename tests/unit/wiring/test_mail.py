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
        "ESPALIER_EMAIL_USE_TLS": "False",
        "ESPALIER_EMAIL_USE_TLS_NUMBER": "0",
        "ESPALIER_EMAIL_USE_SSL": "True",
        "ESPALIER_EMAIL_USE_SSL_NUMBER": "1",
        "ESPALIER_EMAIL_PASSWORD": "",
        "ESPALIER_EMAIL_URL": "smtp://smtp.example.com:587/?ssl=True&email_use_ssl=True",
    }
    assert email_environment(EMAIL, "secret") == expected
    with_user = email_environment({**EMAIL, "user": "a@b", "tls": "none"}, "s/t")
    assert with_user["ESPALIER_EMAIL_USER"] == "a@b"
    assert with_user["ESPALIER_EMAIL_PASSWORD"] == "s/t"
    assert with_user["ESPALIER_EMAIL_URL"] == "smtp://a%40b:s%2Ft@smtp.example.com:587/"
    assert email_environment({}, "secret") == {}
