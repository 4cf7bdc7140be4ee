"""The page: its script and style are Vite's, its motto is a file that is not in git."""

from django.conf import settings
from django.shortcuts import render
from django.utils import timezone


def vineyard(request):
    """Note the visit in the cellar's book, and show the vines."""
    motto = settings.MOTTO.read_text() if settings.MOTTO.exists() else ""
    settings.CELLAR.mkdir(exist_ok=True)
    with open(settings.CELLAR / "visits.txt", "a") as book:
        book.write(f"{timezone.now().isoformat()}\n")
    return render(request, "vineyard.html", {"motto": motto})
