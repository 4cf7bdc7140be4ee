"""What the bees have been asked for."""

from django.db import models


class Jar(models.Model):
    """A jar of honey, which a worker fills; each is filled once, if all is well."""

    name = models.CharField(max_length=80)
    seconds = models.FloatField(default=0)  # how long filling it takes
    fillings = models.PositiveIntegerField(default=0)
    filled_by = models.CharField(max_length=80, blank=True)  # the release of that worker

    def __str__(self) -> str:
        """Say what is on the label."""
        return self.name


class Inspection(models.Model):
    """A look into the hive, which beat asks for every two seconds."""

    at = models.DateTimeField(auto_now_add=True)
