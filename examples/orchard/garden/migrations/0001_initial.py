"""The tables of the diary."""

import uuid

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

import garden.models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Tree",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80, unique=True)),
                (
                    "form",
                    models.CharField(
                        choices=[
                            ("espalier", "horizontal espalier"),
                            ("fan", "fan"),
                            ("cordon", "cordon"),
                            ("stepover", "step-over"),
                            ("candelabra", "candelabra"),
                        ],
                        default="espalier",
                        max_length=12,
                    ),
                ),
                ("place", models.CharField(blank=True, max_length=120)),
                ("planted_on", models.DateField()),
                ("photo", models.FileField(blank=True, upload_to=garden.models.photo_path)),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Variety",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=80, unique=True)),
                ("slug", models.SlugField(max_length=80, unique=True)),
                (
                    "fruit",
                    models.CharField(
                        choices=[
                            ("apple", "Apple"),
                            ("pear", "Pear"),
                            ("plum", "Plum"),
                            ("cherry", "Cherry"),
                            ("fig", "Fig"),
                        ],
                        max_length=10,
                    ),
                ),
                ("origin", models.CharField(blank=True, max_length=120)),
                (
                    "ripens",
                    models.PositiveSmallIntegerField(
                        choices=[
                            (1, "January"),
                            (2, "February"),
                            (3, "March"),
                            (4, "April"),
                            (5, "May"),
                            (6, "June"),
                            (7, "July"),
                            (8, "August"),
                            (9, "September"),
                            (10, "October"),
                            (11, "November"),
                            (12, "December"),
                        ],
                        validators=[
                            django.core.validators.MinValueValidator(1),
                            django.core.validators.MaxValueValidator(12),
                        ],
                        verbose_name="ripens in",
                    ),
                ),
                ("about", models.TextField(blank=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
            ],
            options={
                "verbose_name_plural": "varieties",
                "ordering": ["name"],
            },
        ),
        migrations.CreateModel(
            name="Note",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key", models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ("author", models.CharField(blank=True, max_length=60, verbose_name="your name")),
                ("text", models.TextField(max_length=2000, verbose_name="note")),
                ("written_at", models.DateTimeField(auto_now_add=True)),
                (
                    "tree",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="notes",
                        to="garden.tree",
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
        migrations.CreateModel(
            name="Harvest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("picked_on", models.DateField(db_index=True)),
                (
                    "kilograms",
                    models.DecimalField(
                        decimal_places=2,
                        max_digits=7,
                        validators=[django.core.validators.MinValueValidator(0)],
                    ),
                ),
                (
                    "tree",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="harvests",
                        to="garden.tree",
                    ),
                ),
            ],
            options={
                "ordering": ["-picked_on", "-pk"],
            },
        ),
        migrations.AddField(
            model_name="tree",
            name="variety",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="trees",
                to="garden.variety",
            ),
        ),
    ]
