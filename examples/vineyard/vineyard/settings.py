"""Settings for development; `npm run build` makes what is in built/."""

from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

SECRET_KEY = "django-insecure-u6#w=v9k$0l^u1j@w3e8m*z2q7r!x5t4y"
DEBUG = True
ALLOWED_HOSTS = []

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.staticfiles",
    "django_vite",
    "vineyard",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]
ROOT_URLCONF = "vineyard.urls"
WSGI_APPLICATION = "vineyard.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
    }
]
DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"},
}
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# What Vite built, with its manifest.
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "built"]
DJANGO_VITE = {"default": {"manifest_path": BASE_DIR / "built" / "manifest.json"}}

# Written by the site: one line for each visit.
CELLAR = BASE_DIR / "cellar"
# Not in git: what the owner wants to have on the page.
MOTTO = BASE_DIR / "motto.txt"
