"""Add a column: on PostgreSQL, this needs the table for a moment, alone."""

from django.db import migrations, models


class Migration(migrations.Migration):
    """Add the column."""

    dependencies = (("notes", "0001_initial"),)
    operations = (migrations.AddField("note", "stars", models.IntegerField(default=0)),)
