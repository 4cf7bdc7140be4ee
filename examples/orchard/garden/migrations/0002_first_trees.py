"""Plant the first trees, so that the site is not empty. Running it twice plants nothing twice."""

from datetime import date
from decimal import Decimal

from django.db import migrations

# name, slug, fruit, origin, month of ripening, about
VARIETIES = [
    ("Ashmead's Kernel", "ashmeads-kernel", "apple", "Gloucester, about 1700", 10,
     "A small russet with sharp, pear-drop juice. Keeps until March and is best after Christmas."),
    ("Brown Turkey", "brown-turkey", "fig", "Provence, before 1800", 9,
     "The fig for a warm wall: hardy, self-fertile, and better with its roots held in a pit."),
    ("Cox's Orange Pippin", "coxs-orange-pippin", "apple", "Buckinghamshire, about 1825", 10,
     "Everything an eating apple can be, for those who watch for scab and canker."),
    ("Doyenné du Comice", "doyenne-du-comice", "pear", "Angers, 1849", 10,
     "The pear of pears. Wants the best wall, a pollinator near by, and patience until November."),
    ("Egremont Russet", "egremont-russet", "apple", "Sussex, before 1872", 10,
     "Dry, nutty and upright; makes short spurs by itself, so an easy first espalier."),
    ("Morello", "morello", "cherry", "Europe, before 1600", 7,
     "The sour cherry that fruits on a north wall. Fan-trained, and pruned for last year's wood."),
    ("Victoria", "victoria", "plum", "Sussex, 1840", 8,
     "Generous to a fault: thin the fruit in June or the branches break."),
    ("Williams' Bon Chrétien", "williams-bon-chretien", "pear", "Berkshire, about 1770", 9,
     "Pick it green and firm, and ripen it indoors. Spurs freely, so it is easy to train."),
]  # fmt: skip

# name, slug of the variety, form, place, planted on, harvests
TREES = [
    ("Old Wall", "egremont-russet", "espalier", "South wall, by the stairs", date(1998, 11, 14),
     [("2023-10-03", "18.40"), ("2024-10-08", "14.75"), ("2025-10-01", "21.10")]),
    ("The Sundial", "coxs-orange-pippin", "candelabra", "Middle of the lawn", date(2006, 12, 2),
     [("2024-10-02", "9.80"), ("2025-10-05", "12.25")]),
    ("Kitchen Door", "brown-turkey", "fan", "South wall, in a brick pit", date(2011, 4, 9),
     [("2023-09-12", "4.60"), ("2024-09-17", "6.30"), ("2025-09-09", "5.90")]),
    ("Long Border", "ashmeads-kernel", "stepover", "Edge of the vegetable beds", date(2015, 3, 7),
     [("2024-10-19", "5.20"), ("2025-10-16", "6.85")]),
    ("Well Side", "williams-bon-chretien", "espalier", "East wall", date(2003, 11, 22),
     [("2023-09-02", "16.00"), ("2024-09-06", "19.35"), ("2025-08-31", "17.70")]),
    ("Tool Shed", "morello", "fan", "North wall", date(2012, 2, 25),
     [("2024-07-14", "8.15"), ("2025-07-11", "10.40")]),
    ("South Gable", "doyenne-du-comice", "espalier", "The warmest wall", date(1994, 12, 10),
     [("2023-10-15", "11.90"), ("2024-10-21", "13.05"), ("2025-10-18", "9.45")]),
    ("The Gate", "coxs-orange-pippin", "cordon", "Left of the gate", date(2018, 11, 17),
     [("2025-10-06", "3.30")]),
    ("Bee Bank", "victoria", "fan", "West wall, above the hives", date(2009, 11, 28),
     [("2023-08-24", "22.60"), ("2024-08-20", "7.95"), ("2025-08-26", "25.15")]),
    ("Lower Lawn", "egremont-russet", "cordon", "Wires along the lawn", date(2019, 3, 2),
     [("2024-10-09", "2.70"), ("2025-10-03", "4.05")]),
    ("Glasshouse End", "doyenne-du-comice", "candelabra", "Wires by the glasshouse",
     date(2001, 1, 20), [("2024-10-23", "10.10"), ("2025-10-20", "12.60")]),
    ("Laundry Yard", "williams-bon-chretien", "cordon", "Wires, second post", date(2020, 11, 7),
     [("2025-09-03", "2.95")]),
]  # fmt: skip


def plant(apps, schema_editor):
    """Add what is missing; leave alone what is there, edited or not."""
    using = schema_editor.connection.alias
    varieties = apps.get_model("garden", "Variety").objects.using(using)
    trees = apps.get_model("garden", "Tree").objects.using(using)
    harvests = apps.get_model("garden", "Harvest").objects.using(using)
    for name, slug, fruit, origin, ripens, about in VARIETIES:
        varieties.get_or_create(
            slug=slug,
            defaults={
                "name": name, "fruit": fruit, "origin": origin, "ripens": ripens, "about": about,
            },
        )  # fmt: skip
    for name, slug, form, place, planted_on, picked in TREES:
        tree, planted = trees.get_or_create(
            name=name,
            defaults={
                "variety": varieties.get(slug=slug),
                "form": form,
                "place": place,
                "planted_on": planted_on,
            },
        )
        if planted:
            for day, kilograms in picked:
                harvests.create(
                    tree=tree, picked_on=date.fromisoformat(day), kilograms=Decimal(kilograms)
                )


def dig_up(apps, schema_editor):
    """Remove what `plant` planted, except trees that people wrote about or picked from since."""
    using = schema_editor.connection.alias
    varieties = apps.get_model("garden", "Variety").objects.using(using)
    trees = apps.get_model("garden", "Tree").objects.using(using)
    for name, _, _, _, _, picked in TREES:
        tree = trees.filter(name=name, notes=None).first()
        if tree and tree.harvests.count() <= len(picked):
            tree.delete()
    varieties.filter(slug__in=[slug for _, slug, *_ in VARIETIES], trees=None).delete()


class Migration(migrations.Migration):
    dependencies = [("garden", "0001_initial")]

    operations = [migrations.RunPython(plant, dig_up)]
