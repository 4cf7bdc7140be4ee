"""Pages of which each costs one thing. Numbers in the address say how much."""

import time
import urllib.request
from hashlib import md5

from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import Avg, Count, F, Max, Min, StdDev, Sum, Variance
from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt

from .models import Counter, Entry, Row

SHAPES = [Sum, Avg, StdDev, Variance, Max, Min]
MOST = 2_000_000


def number(request, name, default):
    """A number of the address, within bounds."""
    try:
        return max(0, min(int(request.GET.get(name, default)), MOST))
    except ValueError:
        return default


def burn(milliseconds):
    """Compute for so long, by this thread's own clock."""
    until, count = time.thread_time() + milliseconds / 1000, 0
    while time.thread_time() < until:
        count += sum(range(200))
    return count


def aggregate(shape):
    """Have PostgreSQL read all rows and compute; each shape is another statement."""
    figure = SHAPES[shape % len(SHAPES)]("value")
    found = Row.objects.values("kind").annotate(figure=figure, many=Count("pk"))
    return list(found.order_by("-figure")[:10])


def plain(text):
    """Answer with text."""
    return HttpResponse(f"{text}\n", content_type="text/plain")


def compute(request):
    """Cost computing in Python: `?ms=`."""
    return plain(burn(number(request, "ms", 20)))


def rows(request):
    """Cost computing in PostgreSQL: `?shape=` is one of several statements."""
    return plain(aggregate(number(request, "shape", 0)))


def both(request):
    """Cost either: `?ms=` in Python, and `?shape=`."""
    burn(number(request, "ms", 20))
    return plain(aggregate(number(request, "shape", 0)))


def sleep(request):
    """Hold a thread without computing: `?ms=`."""
    time.sleep(number(request, "ms", 100) / 1000)
    return plain("slept")


def remote(request):
    """Ask somebody else's server, which takes `?ms=`."""
    address = f"{settings.NURSERY_REMOTE}/{number(request, 'ms', 100)}"
    with urllib.request.urlopen(address, timeout=30) as answer:
        return plain(answer.read().decode())


@csrf_exempt
def write(request):
    """Write `?rows=` rows in one statement, and commit."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO nursery_entry (text, written_at) "
            "SELECT md5(random()::text), now() FROM generate_series(1, %s)",
            [number(request, "rows", 1)],
        )
    return plain(Entry.objects.order_by("-pk").values_list("pk", flat=True).first())


@csrf_exempt
def hot(request):
    """Change the row that everybody changes, and hold its lock for `?ms=`."""
    with transaction.atomic():
        Counter.objects.filter(pk=1).update(count=F("count") + 1)
        time.sleep(number(request, "ms", 50) / 1000)
    return plain("counted")


def pooled(request):
    """Keep a connection of the database in a transaction for `?ms=`, without work for it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [number(request, "ms", 20) / 1000])
    return plain("slept")


def one_by_one(request):
    """Ask for each of `?n=` rows by itself."""
    start = number(request, "from", 1)
    values = [Row.objects.get(pk=start + n).value for n in range(number(request, "n", 40))]
    return plain(sum(values))


def find(request):
    """Look for a row by its code: that of `?n=`."""
    code = md5(str(number(request, "n", 1)).encode()).hexdigest()
    return plain(Row.objects.filter(code=code).values_list("pk", flat=True).first())


def wide(request):
    """Read `?n=` rows that are far apart, with their text."""
    start, count = number(request, "from", 1), number(request, "n", 20)
    most = number(request, "of", 100_000)
    keys = [(start * 7919 + n * 104_729) % most + 1 for n in range(count)]
    return plain(sum(len(text) for text in _texts(keys)))


def _texts(keys):
    return Row.objects.filter(pk__in=keys).values_list("text", flat=True)


def cached(request):
    """Keep `?kb=` KiB in the cache for the key `?n=`, and compute 20 ms where it is not there."""
    key, size = f"nursery-{number(request, 'n', 1)}", number(request, "kb", 50)
    found = cache.get(key)
    if found is None:
        burn(20)
        found = md5(key.encode()).hexdigest() * (size * 32)
        cache.set(key, found, 600)
    return plain(len(found))


def file(request):
    """Answer with `?kb=` KiB."""
    return HttpResponse(b"x" * (number(request, "kb", 500) * 1024), content_type="image/x-raw")


def page(request, number):
    """A costly page that is the same for everybody."""
    burn(20)
    return plain(aggregate(number))
