"""Settings of the project with users and the admin, for the tests of the tiers."""

from tiny.elsewhere import *  # noqa: F403
from tiny.elsewhere import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = (
    *INSTALLED_APPS,
    "django.contrib.auth",
    "django.contrib.messages",
    "django.contrib.admin",
)
MIDDLEWARE = (
    *MIDDLEWARE,
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
)
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "tiny.grown_urls"
