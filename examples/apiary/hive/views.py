"""The page of jars."""

import os

from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render

from hive.models import Inspection, Jar
from hive.tasks import fill


def jars(request: HttpRequest) -> HttpResponse:
    """Show the newest jars; ask for one with a POST."""
    if request.method == "POST":
        with transaction.atomic():
            jar = Jar.objects.create(
                name=request.POST["name"][:80],
                seconds=min(float(request.POST.get("seconds") or 0), 60),
            )
            # A worker is faster than a transaction.
            transaction.on_commit(lambda: fill.delay(jar.pk))
        return redirect("jars")
    return render(request, "hive/jars.html", {"jars": Jar.objects.order_by("-pk")[:50]})


def jars_as_json(request: HttpRequest) -> JsonResponse:
    """Tell of every jar, and of the times of the last inspections."""
    inspections = Inspection.objects.order_by("-pk").values_list("at", flat=True)[:100]
    return JsonResponse(
        {
            "release": os.environ.get("ESPALIER_RELEASE", ""),
            "jars": list(Jar.objects.values("id", "name", "fillings", "filled_by")),
            "inspections": list(inspections),
        }
    )
