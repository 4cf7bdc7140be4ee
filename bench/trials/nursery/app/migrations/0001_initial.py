"""The tables, and the row that everybody changes."""

from django.db import migrations, models


def first_counter(apps, schema_editor):
    """Make the row."""
    apps.get_model("nursery", "Counter").objects.create(pk=1)


def _id():
    return models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )


class Migration(migrations.Migration):
    """See the module."""

    initial = True
    dependencies = ()
    operations = (
        migrations.CreateModel(
            name="Row",
            fields=[
                ("id", _id()),
                ("kind", models.IntegerField()),
                ("code", models.CharField(db_index=True, max_length=32)),
                ("value", models.FloatField()),
                ("text", models.TextField(default="")),
            ],
        ),
        migrations.CreateModel(
            name="Counter",
            fields=[("id", _id()), ("count", models.BigIntegerField(default=0))],
        ),
        migrations.CreateModel(
            name="Entry",
            fields=[
                ("id", _id()),
                ("text", models.TextField()),
                ("written_at", models.DateTimeField(auto_now_add=True, db_index=True)),
            ],
        ),
        migrations.RunPython(first_counter, migrations.RunPython.noop),
    )
