"""The pages."""

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import render


def page(request: HttpRequest) -> HttpResponse:
    """Set both cookies and name two static files, one of which does not exist."""
    request.session["seen"] = True
    get_token(request)
    return render(request, "page.html", {"secure": request.is_secure()})


def boom(request: HttpRequest) -> HttpResponse:
    """Fail."""
    raise RuntimeError("boom in the view")
