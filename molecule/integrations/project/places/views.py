"""The nearest place, found by PostGIS; and the visitor, as Django sees them."""

from django.contrib.gis.db.models.functions import Distance
from django.contrib.gis.geos import Point
from django.core.mail import send_mail
from django.http import HttpRequest, HttpResponse, JsonResponse

from places.models import Place


def nearest(request: HttpRequest) -> HttpResponse:
    """Name the place that is nearest to Greenwich."""
    here = Point(0, 51.5, srid=4326)
    place = Place.objects.annotate(far=Distance("point", here)).order_by("far").first()
    name = place.name if place else "nowhere"
    return HttpResponse(f"<!doctype html><html><body>{name}</body></html>")


def visitor(request: HttpRequest) -> JsonResponse:
    """Tell the visitor's address, and how they came."""
    names = ("REMOTE_ADDR", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_CF_CONNECTING_IP")
    told = {name: request.META.get(name, "") for name in names}
    return JsonResponse({**told, "is_secure": request.is_secure()})


def tell(address: str) -> int:
    """Write to somebody."""
    return send_mail("A new place", "There is one.", None, [address])
