"""Celery, configured by Django's settings, as its documentation says."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "apiary.settings")

app = Celery("apiary")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
