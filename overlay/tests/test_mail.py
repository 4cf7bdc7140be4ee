"""The machine's mail server, and the project's own."""

import pytest

from espalier_overlay.mail import apply_mail

GIVEN = {
    "ESPALIER_EMAIL_HOST": "smtp.example.com",
    "ESPALIER_EMAIL_PORT": "465",
    "ESPALIER_EMAIL_USER": "shop",
    "ESPALIER_EMAIL_PASSWORD": "secret",
    "ESPALIER_EMAIL_TLS": "ssl",
    "ESPALIER_EMAIL_FROM": "shop@example.com",
}


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"},
        {"EMAIL_HOST": "localhost", "EMAIL_PORT": 1025},
    ],
)
def test_a_project_without_a_server_gets_the_machine_s(own):
    settings = {**own, "DEFAULT_FROM_EMAIL": "webmaster@localhost"}
    apply_mail(settings, GIVEN)
    assert settings == {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": "smtp.example.com",
        "EMAIL_PORT": 465,
        "EMAIL_HOST_USER": "shop",
        "EMAIL_HOST_PASSWORD": "secret",
        "EMAIL_USE_TLS": False,
        "EMAIL_USE_SSL": True,
        "EMAIL_TIMEOUT": 10,
        "DEFAULT_FROM_EMAIL": "shop@example.com",
        "SERVER_EMAIL": "shop@example.com",
    }


@pytest.mark.parametrize(
    "own",
    [
        {"EMAIL_HOST": "mail.example.com"},
        {"EMAIL_BACKEND": "anymail.backends.mailgun.EmailBackend"},
        {"MAILERS": {"default": {}}},
    ],
)
def test_a_project_with_a_server_keeps_it(own):
    settings = dict(own)
    apply_mail(settings, GIVEN)
    assert settings == own


def test_senders_of_the_project_s_own_stay():
    settings = {"DEFAULT_FROM_EMAIL": "me@example.com"}
    apply_mail(settings, GIVEN)
    assert settings["DEFAULT_FROM_EMAIL"] == "me@example.com"
    assert settings["SERVER_EMAIL"] == "shop@example.com"


def test_without_a_server_nothing_changes():
    settings: dict = {}
    apply_mail(settings, {})
    assert settings == {}


@pytest.mark.parametrize(
    "own",
    [
        {},
        {"EMAIL_HOST": "mail.example.com"},
        {"EMAIL_BACKEND": "anymail.backends.mailgun.EmailBackend"},
        {"EMAIL_BACKEND": "post_office.EmailBackend", "EMAIL_HOST": "mail.example.com"},
    ],
)
@pytest.mark.parametrize("given", [{}, GIVEN])
def test_a_quiet_site_sends_nothing_whatever_the_project_says(own, given):
    settings = dict(own)
    apply_mail(settings, given | {"ESPALIER_QUIET": "1"})
    assert settings == {
        "EMAIL_BACKEND": "django.core.mail.backends.dummy.EmailBackend",
        "EMAIL_HOST": "nowhere.invalid",
    }


def test_a_quiet_site_has_none_of_several_mailers():
    settings = {"MAILERS": {"default": {"BACKEND": "x", "OPTIONS": {"host": "h"}}, "bulk": {}}}
    apply_mail(settings, {"ESPALIER_QUIET": "1"})
    dummy = {"BACKEND": "django.core.mail.backends.dummy.EmailBackend"}
    assert settings == {"MAILERS": {"default": dummy, "bulk": dummy}}
