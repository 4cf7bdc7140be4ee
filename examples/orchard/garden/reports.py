"""What the harvests add up to. Every function is one query over all harvest rows."""

from datetime import date
from decimal import Decimal
from typing import TypedDict

from django.db.models import Count, F, Max, Sum, Window
from django.db.models.functions import ExtractMonth, ExtractYear, Lag, Rank

from .models import Harvest


class Totals(TypedDict):
    """The whole orchard in four figures; kilograms is None when nothing was picked."""

    kilograms: Decimal | None
    harvests: int
    trees: int
    last: date | None


class Place(TypedDict):
    """A variety's place in one year; `before` is its harvest of the year before, in kg or None."""

    year: int
    variety: str
    fruit: str
    total: Decimal
    harvests: int
    rank: int
    before: Decimal | None


def totals() -> Totals:
    """Return kilograms, number of harvests, trees picked from, and the last day of picking."""
    return Harvest.objects.aggregate(
        kilograms=Sum("kilograms"),
        harvests=Count("pk"),
        trees=Count("tree", distinct=True),
        last=Max("picked_on"),
    )


def podium(places: int = 5) -> list[Place]:
    """Return the best varieties of each year, newest year first, at most `places` ranks a year."""
    year = ExtractYear("picked_on")
    return list(
        Harvest.objects.order_by()
        .values(year=year, variety=F("tree__variety__name"), fruit=F("tree__variety__fruit"))
        .annotate(total=Sum("kilograms"), harvests=Count("pk"))
        .annotate(
            rank=Window(Rank(), partition_by=F("year"), order_by=F("total").desc()),
            # The variety's previous year with a harvest, which a cut by rank must not hide.
            before=Window(Lag("total"), partition_by=F("variety"), order_by=F("year").asc()),
        )
        .filter(rank__lte=places)
        .order_by("-year", "rank", "variety")
    )


def months() -> list[tuple[int, Decimal]]:
    """Return (month 1..12, kilograms) over all years, for the months in which something ripened."""
    return list(
        Harvest.objects.order_by()
        .values_list(ExtractMonth("picked_on"))
        .annotate(Sum("kilograms"))
        .order_by(ExtractMonth("picked_on"))
    )
