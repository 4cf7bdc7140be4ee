"""One table."""

from django.db import models


class Note(models.Model):
    """A line of text."""

    text = models.CharField(max_length=200)
    stars = models.IntegerField(default=0)

    def __str__(self) -> str:
        """Return the text."""
        return self.text
