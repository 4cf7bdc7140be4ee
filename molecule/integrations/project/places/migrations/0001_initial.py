"""The table, and the extensions that it needs, as projects say it."""

import django.contrib.gis.db.models.fields
from django.contrib.gis.geos import Point
from django.contrib.postgres.operations import CreateExtension, TrigramExtension
from django.db import migrations, models


def first_places(apps, schema_editor):
    """Two places: London is nearer to Greenwich."""
    Place = apps.get_model("places", "Place")
    Place.objects.create(name="London", point=Point(-0.1, 51.5, srid=4326))
    Place.objects.create(name="Paris", point=Point(2.35, 48.85, srid=4326))


class Migration(migrations.Migration):
    initial = True
    operations = [
        CreateExtension("postgis"),
        TrigramExtension(),
        migrations.RunSQL("CREATE EXTENSION IF NOT EXISTS vector"),
        migrations.CreateModel(
            "Place",
            [
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=100)),
                ("point", django.contrib.gis.db.models.fields.PointField(srid=4326)),
            ],
        ),
        migrations.RunPython(first_places, migrations.RunPython.noop),
    ]
