"""Plant many trees and write down many harvests, to see how the site does with real numbers."""

import random
from argparse import ArgumentParser
from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice

from django.core.management.base import BaseCommand, CommandError
from django.db.models import Max, Model

from garden.models import Harvest, Tree, Variety

BATCH = 2000
TREES_PER_ROW = 40
YEARS = range(2012, 2026)


def create(model: type[Model], objects: Iterable[Model]) -> int:
    """Insert the objects batch by batch, so that memory stays small; return how many."""
    objects, count = iter(objects), 0
    while batch := list(islice(objects, BATCH)):
        model.objects.bulk_create(batch)
        count += len(batch)
    return count


class Command(BaseCommand):
    """Plant trees and harvests by the thousand; running it again adds more."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take how many of each."""
        parser.add_argument(
            "--trees", type=int, default=0, help="how many trees to add (default 0)"
        )
        parser.add_argument("--harvests", type=int, default=0, help="how many to add (default 0)")
        parser.add_argument("--seed", type=int, default=1, help="same seed, same rows (default 1)")

    def handle(self, *, trees: int, harvests: int, seed: int, **options: object) -> None:
        """Insert the rows. Raise CommandError for negative numbers or with nothing to plant."""
        if trees < 0 or harvests < 0:
            raise CommandError("--trees and --harvests take 0 or more.")
        dice = random.Random(seed)
        varieties = list(Variety.objects.order_by("pk"))
        if trees and not varieties:
            raise CommandError("There is no variety to plant. Run `migrate` or add one in /admin/.")
        planted = create(Tree, self.new_trees(dice, trees, varieties))
        standing = list(Tree.objects.order_by("pk").values_list("pk", "variety__ripens"))
        if harvests and not standing:
            raise CommandError("There is no tree to pick from. Add --trees 100.")
        picked = create(Harvest, self.new_harvests(dice, harvests, standing))
        self.stdout.write(self.style.SUCCESS(f"Planted {planted} trees, picked {picked} harvests."))

    def new_trees(
        self, dice: random.Random, count: int, varieties: list[Variety]
    ) -> Iterable[Tree]:
        """Yield `count` trees, numbered on from the highest id so that names stay unique."""
        first = (Tree.objects.aggregate(Max("pk"))["pk__max"] or 0) + 1
        for number in range(first, first + count):
            row, place = divmod(number, TREES_PER_ROW)
            yield Tree(
                name=f"Row {row + 1:03}, wire {place + 1:02}",
                variety=dice.choice(varieties),
                form=dice.choice(Tree.Form.values),
                place=f"Row {row + 1}",
                planted_on=date(1990, 11, 1) + timedelta(days=dice.randrange(20 * 365)),
            )

    def new_harvests(
        self, dice: random.Random, count: int, trees: list[tuple[int, int]]
    ) -> Iterable[Harvest]:
        """Yield `count` harvests, each of one of the (tree id, month of ripening) pairs."""
        for _ in range(count):
            tree, month = dice.choice(trees)
            yield Harvest(
                tree_id=tree,
                picked_on=date(dice.choice(YEARS), month, dice.randint(1, 28)),
                kilograms=Decimal(dice.randint(50, 2400)) / 100,
            )
