"""Tasks are registered with this project's Celery whenever Django starts."""

from apiary.celery import app as celery_app

__all__ = ("celery_app",)
