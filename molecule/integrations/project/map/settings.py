"""A GeoDjango project as developers have it: SQLite's spatial engine, mail to the screen."""

SECRET_KEY = "django-insecure-only-for-development"
DEBUG = True
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.gis", "places"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "map.urls"
DATABASES = {
    "default": {"ENGINE": "django.contrib.gis.db.backends.spatialite", "NAME": "db.sqlite3"}
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
USE_TZ = True
