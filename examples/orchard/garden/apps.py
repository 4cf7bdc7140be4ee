"""The garden app."""

from django.apps import AppConfig


class GardenConfig(AppConfig):
    """Trees, varieties, harvests and notes."""

    default_auto_field = "django.db.models.BigAutoField"
    name = "garden"
