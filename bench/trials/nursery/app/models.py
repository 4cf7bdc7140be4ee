"""Rows to read, to search and to write."""

from django.db import models


class Row(models.Model):
    """One of many: `kind` to group by, `code` to search for, `text` to be large."""

    kind = models.IntegerField()
    code = models.CharField(max_length=32, db_index=True)
    value = models.FloatField()
    text = models.TextField(default="")


class Counter(models.Model):
    """One row that everybody changes."""

    count = models.BigIntegerField(default=0)


class Entry(models.Model):
    """What visitors write."""

    text = models.TextField()
    written_at = models.DateTimeField(auto_now_add=True, db_index=True)
