"""A place on the map."""

from django.contrib.gis.db import models


class Place(models.Model):
    """A name and a point."""

    name = models.CharField(max_length=100)
    point = models.PointField()
