"""What the orchard diary keeps: varieties, trees, harvests and notes."""

import uuid
from pathlib import PurePath

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse
from django.utils.dates import MONTHS


def photo_path(tree: "Tree", filename: str) -> str:
    """Return where a tree's photo is stored: a fresh name, so that no cache shows the old one."""
    return f"trees/{tree.pk}-{uuid.uuid4().hex[:12]}{PurePath(filename).suffix.lower()}"


class Variety(models.Model):
    """A cultivar, such as Egremont Russet."""

    class Fruit(models.TextChoices):
        """What grows on it."""

        APPLE = "apple"
        PEAR = "pear"
        PLUM = "plum"
        CHERRY = "cherry"
        FIG = "fig"

    name = models.CharField(max_length=80, unique=True)
    slug = models.SlugField(max_length=80, unique=True)
    fruit = models.CharField(max_length=10, choices=Fruit)
    origin = models.CharField(max_length=120, blank=True)
    ripens = models.PositiveSmallIntegerField(
        "ripens in", choices=MONTHS, validators=[MinValueValidator(1), MaxValueValidator(12)]
    )
    about = models.TextField(blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "varieties"

    def __str__(self) -> str:
        """Return the variety's name."""
        return self.name


class Tree(models.Model):
    """A fruit tree trained along a wall or on wires."""

    class Form(models.TextChoices):
        """The shape that it is trained to."""

        ESPALIER = "espalier", "horizontal espalier"
        FAN = "fan", "fan"
        CORDON = "cordon", "cordon"
        STEPOVER = "stepover", "step-over"
        CANDELABRA = "candelabra", "candelabra"

    name = models.CharField(max_length=80, unique=True)
    variety = models.ForeignKey(Variety, on_delete=models.PROTECT, related_name="trees")
    form = models.CharField(max_length=12, choices=Form, default=Form.ESPALIER)
    place = models.CharField(max_length=120, blank=True)
    planted_on = models.DateField()
    photo = models.FileField(upload_to=photo_path, blank=True)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        """Return the tree's name."""
        return self.name

    def get_absolute_url(self) -> str:
        """Return the address of the tree's page."""
        return reverse("garden:tree", args=[self.pk])


class Harvest(models.Model):
    """What was picked from one tree on one day."""

    tree = models.ForeignKey(Tree, on_delete=models.CASCADE, related_name="harvests")
    picked_on = models.DateField(db_index=True)
    kilograms = models.DecimalField(
        max_digits=7, decimal_places=2, validators=[MinValueValidator(0)]
    )

    class Meta:
        ordering = ["-picked_on", "-pk"]

    def __str__(self) -> str:
        """Return the weight and the day."""
        return f"{self.kilograms} kg on {self.picked_on}"


class Note(models.Model):
    """What somebody saw on a tree. The key is made by the writer, so sending twice writes once."""

    tree = models.ForeignKey(Tree, on_delete=models.CASCADE, related_name="notes")
    key = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    author = models.CharField("your name", max_length=60, blank=True)
    text = models.TextField("note", max_length=2000)
    written_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        """Return the beginning of the text."""
        return self.text[:60]
