"""Tests of the diary: `python manage.py test`."""

import importlib
import json
import tempfile
import uuid
from datetime import date
from decimal import Decimal
from io import StringIO
from pathlib import Path
from types import SimpleNamespace

from django.apps import apps
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client, SimpleTestCase, TestCase, override_settings
from django.urls import reverse

from . import reports
from .images import image_kind
from .models import Harvest, Note, Tree, Variety
from .views import release_name

JSON = {"Accept": "application/json"}
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 30


class TreePages(TestCase):
    """Pages that only read, with the trees of the data migration."""

    def test_list_is_paginated(self) -> None:
        """Thirteen trees make two pages."""
        variety = Variety.objects.get(slug="morello")
        Tree.objects.create(name="Zigzag", variety=variety, planted_on=date(2020, 1, 1))
        with self.assertNumQueries(3):
            first = self.client.get("/")
        self.assertContains(first, "Page 1 of 2")
        self.assertNotContains(first, "Zigzag")
        self.assertContains(self.client.get("/?page=2"), "Zigzag")

    def test_list_is_filtered_by_variety(self) -> None:
        """Only the trees of that variety are shown; an unknown one shows none."""
        page = self.client.get("/?variety=egremont-russet")
        self.assertEqual([tree.name for tree in page.context["page"]], ["Lower Lawn", "Old Wall"])
        for unknown in ("nonsense", "\0"):
            page = self.client.get("/", {"variety": unknown})
            self.assertContains(page, "No tree here yet")

    def test_tree_is_one_query(self) -> None:
        """A tree with its figures and notes, newest first, is exactly one query."""
        tree = Tree.objects.get(name="Kitchen Door")
        for text in ("first words", "second words"):
            Note.objects.create(tree=tree, text=text)
        with self.assertNumQueries(1):
            page = self.client.get(tree.get_absolute_url())
        self.assertContains(page, "16.8 kg in 3 harvests")
        self.assertContains(page, "9 September 2025")
        self.assertEqual(
            [row.note_text for row in page.context["notes"]], ["second words", "first words"]
        )

    def test_tree_without_harvest_or_note(self) -> None:
        """A tree just planted has a page too."""
        tree = Tree.objects.create(
            name="Whip", variety=Variety.objects.first(), planted_on=date(2025, 11, 1)
        )
        with self.assertNumQueries(1):
            page = self.client.get(tree.get_absolute_url())
        self.assertContains(page, "Nothing yet")
        self.assertContains(page, "Nobody has written")

    def test_unknown_tree(self) -> None:
        """No such tree: 404."""
        self.assertEqual(self.client.get("/trees/999999/").status_code, 404)

    def test_reading_sets_no_cookie(self) -> None:
        """Pages without a form work without cookies."""
        for address in ("/", "/harvest/", "/guide/", "/where/", "/notes.json"):
            with self.subTest(address):
                self.assertFalse(self.client.get(address).cookies)


class Notes(TestCase):
    """Writing notes."""

    def setUp(self) -> None:
        """Find a tree to write about."""
        self.tree = Tree.objects.get(name="Old Wall")
        self.address = reverse("garden:note", args=[self.tree.pk])

    def test_post_redirects_to_the_tree(self) -> None:
        """A visitor writes and sees the note on the tree's page."""
        answer = self.client.post(self.address, {"text": "Wasps.", "author": "Jo"}, follow=True)
        self.assertRedirects(answer, self.tree.get_absolute_url())
        self.assertContains(answer, "Wasps.")
        self.assertContains(answer, "Your note is in the diary.")

    def test_form_has_a_key(self) -> None:
        """The form brings a key, so that sending it twice writes one note."""
        key = str(self.client.get(self.address).context["form"]["key"].value())
        for _ in range(2):
            answer = self.client.post(self.address, {"text": "Canker.", "key": key})
            self.assertRedirects(answer, self.tree.get_absolute_url())
        self.assertEqual(str(Note.objects.get().key), key)

    def test_empty_note(self) -> None:
        """A note without text is refused and nothing is stored."""
        answer = self.client.post(self.address, {"text": ""})
        self.assertContains(answer, "This field is required.", status_code=400)
        answer = self.client.post(self.address, {"text": "x", "key": "1"}, headers=JSON)
        self.assertEqual(answer.status_code, 400)
        self.assertEqual(list(answer.json()["errors"]), ["key"])
        # A body without a single field is an empty note too, not a first visit.
        self.assertEqual(self.client.post(self.address).status_code, 400)
        self.assertFalse(Note.objects.exists())

    def test_json_is_written_once(self) -> None:
        """The second POST with a key gets the stored note, whatever else it says."""
        key = str(uuid.uuid4())
        first = self.client.post(self.address, {"text": "One.", "key": key}, headers=JSON)
        again = self.client.post(self.address, {"text": "Two.", "key": key}, headers=JSON)
        note = Note.objects.get()
        self.assertEqual((first.status_code, again.status_code), (201, 200))
        self.assertEqual(first.json(), {"id": note.pk, "key": key, "tree": self.tree.pk})
        self.assertEqual(again.json(), first.json())
        self.assertEqual(note.text, "One.")

    def test_csrf_is_checked(self) -> None:
        """A POST needs the form's token."""
        strict = Client(enforce_csrf_checks=True)
        self.assertEqual(strict.post(self.address, {"text": "x"}).status_code, 403)
        token = strict.get(self.address).cookies["csrftoken"].value
        answer = strict.post(self.address, {"text": "x", "csrfmiddlewaretoken": token})
        self.assertEqual(answer.status_code, 302)

    def test_list_for_checks(self) -> None:
        """`/notes.json` lists by id, goes on after an id, and refuses what is no id."""
        first, second = (Note.objects.create(tree=self.tree, text=text) for text in "ab")
        rows = [{"id": n.pk, "key": str(n.key), "text": n.text} for n in (first, second)]
        with self.assertNumQueries(1):
            answer = self.client.get("/notes.json")
        self.assertEqual(answer.json(), {"notes": rows, "next": None})
        answer = self.client.get("/notes.json", {"after": first.pk})
        self.assertEqual(answer.json(), {"notes": rows[1:], "next": None})
        for wrong in ("x", "-1", "²", "9" * 30):
            with self.subTest(wrong):
                answer = self.client.get("/notes.json", {"after": wrong})
                self.assertEqual(answer.status_code, 400)

    def test_list_goes_on(self) -> None:
        """A full answer says after which id to go on."""
        Note.objects.bulk_create(Note(tree=self.tree, text=str(n)) for n in range(1001))
        first = self.client.get("/notes.json").json()
        self.assertEqual(len(first["notes"]), 1000)
        rest = self.client.get("/notes.json", {"after": first["next"]}).json()
        self.assertEqual([note["text"] for note in rest["notes"]], ["1000"])


class Photos(TestCase):
    """Uploading photos, into a directory of the test's own."""

    def setUp(self) -> None:
        """Find a tree, and a place for uploads."""
        media = tempfile.TemporaryDirectory()
        self.addCleanup(media.cleanup)
        settings = override_settings(MEDIA_ROOT=media.name)
        settings.enable()
        self.addCleanup(settings.disable)
        self.tree = Tree.objects.get(name="Old Wall")
        self.address = reverse("garden:photo", args=[self.tree.pk])

    def send(self, name: str, content: bytes, kind: str = "image/png") -> object:
        """Upload a file and return the answer."""
        return self.client.post(
            self.address, {"photo": SimpleUploadedFile(name, content, content_type=kind)}
        )

    def test_photo_is_stored(self) -> None:
        """A PNG is stored below trees/ and shown on the tree's page."""
        self.assertRedirects(self.send("my tree.PNG", PNG), self.tree.get_absolute_url())
        self.tree.refresh_from_db()
        self.assertRegex(self.tree.photo.name, rf"^trees/{self.tree.pk}-[0-9a-f]{{12}}\.png$")
        self.assertEqual(self.tree.photo.read(), PNG)
        self.tree.photo.close()
        self.assertContains(self.client.get(self.tree.get_absolute_url()), self.tree.photo.url)

    def test_other_files_are_refused(self) -> None:
        """Neither a right name nor a right type helps a file that is no photo."""
        refused = {
            "page.png": b"<script>alert(1)</script>",
            "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            "page.html": PNG,
            "empty.png": b"",
            "large.png": PNG + b"\0" * 5 * 1024 * 1024,
        }
        for name, content in refused.items():
            with self.subTest(name):
                self.assertEqual(self.send(name, content).status_code, 400)
        self.assertEqual(self.client.post(self.address).status_code, 400)
        self.tree.refresh_from_db()
        self.assertFalse(self.tree.photo)

    def test_kinds(self) -> None:
        """Kinds are told by the first bytes."""
        self.assertEqual(image_kind(b"\xff\xd8\xff\xe0\0\x10JFIF\0\1"), "jpeg")
        self.assertEqual(image_kind(b"RIFF\x10\0\0\0WEBP"), "webp")
        self.assertEqual(image_kind(b"RIFF\x10\0\0\0WAVE"), None)


class Reports(TestCase):
    """What harvests add up to, on data that a person can add up."""

    @classmethod
    def setUpTestData(cls) -> None:
        """Pick plums and cherries in two years."""
        Harvest.objects.all().delete()
        plum = Tree.objects.get(name="Bee Bank")
        cherry = Tree.objects.get(name="Tool Shed")
        pear = Tree.objects.get(name="Well Side")
        for tree, day, kilograms in [
            (plum, date(2024, 8, 1), "10.00"),
            (plum, date(2024, 8, 9), "2.50"),
            (cherry, date(2024, 7, 1), "20.00"),
            (plum, date(2025, 8, 2), "30.00"),
            (cherry, date(2025, 7, 3), "8.00"),
            (pear, date(2025, 9, 1), "8.00"),
        ]:
            Harvest.objects.create(tree=tree, picked_on=day, kilograms=Decimal(kilograms))

    def test_totals(self) -> None:
        """Four figures."""
        self.assertEqual(
            reports.totals(),
            {"kilograms": Decimal("78.50"), "harvests": 6, "trees": 3, "last": date(2025, 9, 1)},
        )

    def test_podium(self) -> None:
        """Ranks within a year, equals share a rank, and the year before is known."""
        keys = ("year", "rank", "variety", "total", "harvests", "before")
        pear = "Williams' Bon Chrétien"
        self.assertEqual(
            [tuple(place[key] for key in keys) for place in reports.podium()],
            [
                (2025, 1, "Victoria", Decimal("30.00"), 1, Decimal("12.50")),
                (2025, 2, "Morello", Decimal("8.00"), 1, Decimal("20.00")),
                (2025, 2, pear, Decimal("8.00"), 1, None),
                (2024, 1, "Morello", Decimal("20.00"), 1, None),
                (2024, 2, "Victoria", Decimal("12.50"), 2, None),
            ],
        )

    def test_podium_is_cut(self) -> None:
        """A cut by rank does not hide the year before."""
        self.assertEqual(
            [(place["variety"], place["before"]) for place in reports.podium(places=1)],
            [("Victoria", Decimal("12.50")), ("Morello", None)],
        )

    def test_months(self) -> None:
        """Months over all years."""
        self.assertEqual(
            reports.months(), [(7, Decimal("28.00")), (8, Decimal("42.50")), (9, Decimal("8.00"))]
        )

    def test_page(self) -> None:
        """The page takes three queries, and none of it breaks without a harvest."""
        with self.assertNumQueries(3):
            self.assertContains(self.client.get("/harvest/"), "Victoria")
        Harvest.objects.all().delete()
        self.assertContains(self.client.get("/harvest/"), "Nothing picked yet")


class Almanac(TestCase):
    """The harvest page, from the cache."""

    def setUp(self) -> None:
        """Begin and end with nothing cached."""
        cache.clear()
        self.addCleanup(cache.clear)

    def test_is_added_up_once(self) -> None:
        """The second visitor costs no query, and sees what the first one saw."""
        with self.assertNumQueries(3):
            first = self.client.get("/almanac/")
        Harvest.objects.all().delete()
        with self.assertNumQueries(0):
            second = Client().get("/almanac/")
        self.assertContains(second, "The almanac")
        self.assertEqual(first.content, second.content)
        cache.clear()
        self.assertContains(self.client.get("/almanac/"), "Nothing picked yet")

    def test_is_the_same_for_everybody(self) -> None:
        """It shows nobody's messages, sets no cookie and varies by nothing."""
        tree = Tree.objects.first()
        self.client.post(reverse("garden:note", args=[tree.pk]), {"text": "x"})
        page = self.client.get("/almanac/")
        self.assertNotContains(page, "Your note is in the diary")
        self.assertFalse(page.cookies)
        self.assertNotIn("Vary", page)


class Guide(TestCase):
    """A page that any cache may keep."""

    def test_is_cacheable(self) -> None:
        """It is public, has a validator, sets no cookie and varies by nothing."""
        page = self.client.get("/guide/")
        self.assertEqual(page["Cache-Control"], "public, max-age=300")
        self.assertIn("Last-Modified", page)
        self.assertFalse(page.cookies)
        self.assertNotIn("Vary", page)

    def test_is_not_sent_twice(self) -> None:
        """The ETag answers 304 until a variety changes."""
        tag = {"If-None-Match": self.client.get("/guide/")["ETag"]}
        self.assertEqual(self.client.get("/guide/", headers=tag).status_code, 304)
        Variety.objects.filter(slug="morello").update(origin="Who knows")
        self.assertEqual(self.client.get("/guide/", headers=tag).status_code, 200)

    def test_shows_nobodys_messages(self) -> None:
        """A message that waits for a visitor must not end up in a cache."""
        tree = Tree.objects.first()
        self.client.post(reverse("garden:note", args=[tree.pk]), {"text": "x"})
        page = self.client.get("/guide/")
        self.assertNotContains(page, "Your note is in the diary")
        self.assertFalse(page.cookies)


class Where(SimpleTestCase):
    """Who answered."""

    def test_release(self) -> None:
        """The release is the directory below `releases`, at any depth."""
        self.assertEqual(release_name(Path("/srv/orchard/releases/25-a1/code")), "25-a1")
        self.assertEqual(release_name(Path("/srv/orchard/releases/7/code/web/site")), "7")
        self.assertEqual(release_name(Path("/home/ana/orchard")), "working copy")

    def test_json(self) -> None:
        """It answers JSON to those who ask, and is never cached."""
        answer = self.client.get("/where/", headers=JSON)
        self.assertEqual(set(json.loads(answer.content)), {"machine", "release", "pid"})
        self.assertIn("no-store", answer["Cache-Control"])
        self.assertContains(self.client.get("/where/"), "Where am I?")


class Planting(TestCase):
    """The data migration and the plant command."""

    def test_migration_again(self) -> None:
        """Planting twice plants nothing twice; digging up spares what people wrote about."""
        first_trees = importlib.import_module("garden.migrations.0002_first_trees")
        before = Variety.objects.count(), Tree.objects.count(), Harvest.objects.count()
        self.assertEqual(before, (8, 12, 27))
        # All that the migration wants of a schema editor is its connection.
        editor = SimpleNamespace(connection=connection)
        first_trees.plant(apps, editor)
        after = Variety.objects.count(), Tree.objects.count(), Harvest.objects.count()
        self.assertEqual(after, before)
        Note.objects.create(tree=Tree.objects.get(name="The Gate"), text="Creaks.")
        first_trees.dig_up(apps, editor)
        self.assertEqual([tree.name for tree in Tree.objects.all()], ["The Gate"])
        self.assertEqual([v.slug for v in Variety.objects.all()], ["coxs-orange-pippin"])

    def test_plant(self) -> None:
        """It adds as many as it was told to, and more the next time."""
        for times in (1, 2):
            out = StringIO()
            call_command("plant", trees=50, harvests=2100, stdout=out)
            self.assertEqual(out.getvalue(), "Planted 50 trees, picked 2100 harvests.\n")
            self.assertEqual(Tree.objects.count(), 12 + 50 * times)
            self.assertEqual(Harvest.objects.count(), 27 + 2100 * times)

    def test_plant_refuses(self) -> None:
        """Without varieties or trees there is nothing to plant or pick."""
        Tree.objects.all().delete()
        with self.assertRaisesMessage(CommandError, "Add --trees 100."):
            call_command("plant", harvests=1)
        Variety.objects.all().delete()
        with self.assertRaisesMessage(CommandError, "Run `migrate`"):
            call_command("plant", trees=1)


class Books(TestCase):
    """The admin."""

    def test_lists_and_search(self) -> None:
        """Every list opens and can be searched."""
        user = get_user_model().objects.create_superuser("head-gardener")
        self.client.force_login(user)
        tree = Tree.objects.get(name="Bee Bank")
        Note.objects.create(tree=tree, text="Bee Bank hums.")
        for name in ("variety", "tree", "harvest", "note"):
            with self.subTest(name):
                address = reverse(f"admin:garden_{name}_changelist")
                self.assertEqual(self.client.get(address).status_code, 200)
                self.assertContains(self.client.get(address, {"q": "Victoria"}), "Victoria")
                add = self.client.get(reverse(f"admin:garden_{name}_add"))
                self.assertEqual(add.status_code, 200)

    def test_photo_is_checked(self) -> None:
        """The admin refuses the same files as the page."""
        self.client.force_login(get_user_model().objects.create_superuser("head-gardener"))
        tree = Tree.objects.get(name="Bee Bank")
        answer = self.client.post(
            reverse("admin:garden_tree_change", args=[tree.pk]),
            {
                "name": tree.name,
                "variety": tree.variety_id,
                "form": tree.form,
                "planted_on": "2009-11-28",
                "photo": SimpleUploadedFile("x.png", b"no image at all"),
            },
        )
        self.assertContains(answer, "This is not a photo.")
