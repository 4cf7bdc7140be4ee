"""Pages of the diary."""

import os
import socket
import uuid
from itertools import groupby
from pathlib import Path

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count, F, Max, OuterRef, Subquery, Sum
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.dates import MONTHS
from django.utils.http import http_date
from django.views.decorators.cache import cache_control, cache_page, never_cache
from django.views.decorators.http import conditional_page, require_http_methods, require_safe

from . import reports
from .forms import NoteForm, PhotoForm
from .models import Harvest, Note, Tree, Variety

TREES_PER_PAGE = 12
NOTES_PER_TREE = 20
NOTES_PER_ANSWER = 1000
ALMANAC_SECONDS = 60
LARGEST_ID = 2**63 - 1  # of a bigint


def wants_json(request: HttpRequest) -> bool:
    """Tell whether the client would rather have JSON than a page."""
    return request.get_preferred_type(["text/html", "application/json"]) == "application/json"


def picked(figure: object) -> Subquery:
    """Return one figure over a tree's harvests, as a subquery, so that it multiplies no rows."""
    harvests = Harvest.objects.filter(tree=OuterRef("pk")).order_by().values("tree")
    return Subquery(harvests.annotate(figure=figure).values("figure"))


@require_safe
def tree_list(request: HttpRequest) -> HttpResponse:
    """Show the trees, page by page; `?variety=slug` shows those of one variety."""
    trees = Tree.objects.select_related("variety").annotate(kilograms=picked(Sum("kilograms")))
    varieties = list(Variety.objects.all())
    slug = request.GET.get("variety", "")
    if slug:
        # Looked up here: a database may refuse what people type into an address.
        chosen = [variety for variety in varieties if variety.slug == slug]
        trees = trees.filter(variety__in=chosen)
    page = Paginator(trees, TREES_PER_PAGE).get_page(request.GET.get("page"))
    context = {"page": page, "varieties": varieties, "chosen": slug}
    return render(request, "garden/tree_list.html", context)


@require_safe
def tree_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a tree, its harvests in figures and its newest notes: exactly one query.

    Each row is the tree joined with one note (or none), so the first row has the tree itself.
    """
    rows = list(
        Tree.objects.filter(pk=pk)
        .select_related("variety")
        .annotate(
            kilograms=picked(Sum("kilograms")),
            harvest_count=picked(Count("pk")),
            last_picked=picked(Max("picked_on")),
            note_id=F("notes__pk"),
            note_text=F("notes__text"),
            note_author=F("notes__author"),
            note_written_at=F("notes__written_at"),
        )
        .order_by("-notes__pk")[:NOTES_PER_TREE]
    )
    if not rows:
        raise Http404(f"There is no tree {pk}.")
    notes = [row for row in rows if row.note_id is not None]
    return render(request, "garden/tree_detail.html", {"tree": rows[0], "notes": notes})


@require_http_methods(["GET", "HEAD", "POST"])
def note_create(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the note form, or store a note.

    A note with a key that is already stored is answered with the stored one and changes nothing.
    With `Accept: application/json` a POST answers {"id", "key", "tree"}: 201 stored, 200 was stored
    before, 400 {"errors"}.
    """
    tree = get_object_or_404(Tree.objects.select_related("variety"), pk=pk)
    form = NoteForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        fields = form.cleaned_data
        note, created = Note.objects.get_or_create(
            key=fields["key"] or uuid.uuid4(),
            defaults={"tree": tree, "text": fields["text"], "author": fields["author"]},
        )
        if wants_json(request):
            answer = {"id": note.pk, "key": str(note.key), "tree": note.tree_id}
            return JsonResponse(answer, status=201 if created else 200)
        messages.success(request, "Your note is in the diary.")
        return redirect("garden:tree", note.tree_id)
    if request.method == "POST" and wants_json(request):
        return JsonResponse({"errors": form.errors}, status=400)
    status = 400 if form.errors else 200
    return render(request, "garden/note_form.html", {"tree": tree, "form": form}, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def photo_upload(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the photo form, or store a tree's new photo."""
    tree = get_object_or_404(Tree.objects.select_related("variety"), pk=pk)
    form = PhotoForm(instance=tree)
    if request.method == "POST":
        form = PhotoForm(request.POST, request.FILES, instance=tree)
        if form.is_valid():
            form.save()
            messages.success(request, "The photo hangs on the tree's page.")
            return redirect(tree)
    status = 400 if form.errors else 200
    return render(request, "garden/photo_form.html", {"tree": tree, "form": form}, status=status)


def added_up() -> dict[str, object]:
    """Return what the harvest pages show: three queries over every harvest."""
    months = reports.months()
    places = reports.podium()
    return {
        "totals": reports.totals(),
        "years": [(year, list(group)) for year, group in groupby(places, lambda p: p["year"])],
        "heaviest": max((place["total"] for place in places), default=0),
        "months": [(MONTHS[number], kilograms) for number, kilograms in months],
        "best": max((kilograms for _, kilograms in months), default=0),
    }


@require_safe
def harvest(request: HttpRequest) -> HttpResponse:
    """Show what all harvests add up to: an expensive page, computed anew each time."""
    return render(request, "garden/harvest.html", added_up())


@require_safe
@cache_page(ALMANAC_SECONDS)
def almanac(request: HttpRequest) -> HttpResponse:
    """Show the same for everybody, added up once a minute and kept in Django's cache."""
    return render(request, "garden/almanac.html", added_up() | {"written_at": timezone.now()})


@require_safe
@cache_control(public=True, max_age=300)
@conditional_page  # adds an ETag of the content and answers 304
def guide(request: HttpRequest) -> HttpResponse:
    """Show the pruning guide: the same for everybody, so any cache may keep it."""
    varieties = list(Variety.objects.order_by("ripens", "name"))
    response = render(request, "garden/guide.html", {"varieties": varieties})
    if varieties:
        newest = max(variety.updated_at for variety in varieties)
        response["Last-Modified"] = http_date(newest.timestamp())
    return response


def release_name(base: Path) -> str:
    """Return the directory below `releases` that the code runs from, or "working copy"."""
    for directory in (base, *base.parents):
        if directory.parent.name == "releases":
            return directory.name
    return "working copy"


@require_safe
@never_cache
def where(request: HttpRequest) -> HttpResponse:
    """Say which machine, release and process answered; as JSON for those who ask for it."""
    answer = {
        "machine": socket.gethostname(),
        "release": release_name(settings.BASE_DIR.resolve()),
        "pid": os.getpid(),
    }
    if wants_json(request):
        return JsonResponse(answer)
    return render(request, "garden/where.html", answer)


@require_safe
@never_cache
def notes_json(request: HttpRequest) -> HttpResponse:
    """List notes by id, those after `?after=ID`, at most 1000 an answer.

    Answers {"notes": [{"id", "key", "text"}], "next": ID to go on after, or null at the end}.
    """
    after = request.GET.get("after", "0")
    if not (after.isascii() and after.isdigit() and int(after) <= LARGEST_ID):
        return JsonResponse({"error": "`after` must be the id of a note, a number."}, status=400)
    rows = Note.objects.filter(pk__gt=int(after)).order_by("pk").values("pk", "key", "text")
    notes = [
        {"id": row["pk"], "key": str(row["key"]), "text": row["text"]}
        for row in rows[:NOTES_PER_ANSWER]
    ]
    more = len(notes) == NOTES_PER_ANSWER
    return JsonResponse({"notes": notes, "next": notes[-1]["id"] if more else None})
