"""Pages that take time in a known place, each."""

import os
import subprocess
import sys
import time
import urllib.request

from django.core.cache import cache, caches
from django.core.cache.backends.locmem import LocMemCache
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.views import View

from notes.models import Note

# Statements as the driver got them.
seen: list[str] = []


class BrokenCache(LocMemCache):
    """A cache that fails."""

    def get(self, *args: object, **kwargs: object) -> object:
        """Fail."""
        raise RuntimeError("the cache is broken")


def _see(execute, sql, params, many, context):
    seen.append(sql)
    return execute(sql, params, many, context)


def queries(request: HttpRequest, count: int) -> HttpResponse:
    """Ask so many times."""
    with connection.execute_wrapper(_see):
        for _ in range(count):
            Note.objects.filter(text="100%").count()
    return HttpResponse()


def write(request: HttpRequest) -> HttpResponse:
    """Write two rows in a transaction, and read them."""
    with transaction.atomic():
        Note.objects.create(text="one")
        Note.objects.filter(text="one").update(text="two")
    return HttpResponse(Note.objects.filter(text="two").count())


def cached(request: HttpRequest) -> HttpResponse:
    """Ask for four keys, of which two are there."""
    cache.set_many({"a": 1, "b": None})
    missing = object()
    found = [cache.get("a"), cache.get("c"), cache.get("c", missing) is missing]
    return HttpResponse(repr([*found, cache.get_many(key for key in ("a", "x"))]))


def broken(request: HttpRequest) -> HttpResponse:
    """Ask a cache that fails."""
    try:
        return HttpResponse(caches["broken"].get("a"))
    except RuntimeError as error:
        return HttpResponse(str(error))


def table(request: HttpRequest) -> HttpResponse:
    """Ask a cache that is in the database."""
    caches["table"].set("a", 1)
    return HttpResponse(str(caches["table"].get("a")))


def outside(request: HttpRequest) -> HttpResponse:
    """Ask another server, which takes 0.2 s, and run a program of 0.1 s."""
    subprocess.run([sys.executable, "-Sc", "import time; time.sleep(0.1)"], check=True)
    with urllib.request.urlopen(os.environ["OTHER"]) as answer:
        return HttpResponse(answer.read())


def compute(request: HttpRequest) -> HttpResponse:
    """Compute for 0.1 s, and sleep for as long."""
    end = time.thread_time() + 0.1
    while time.thread_time() < end:
        pass
    time.sleep(0.1)
    return HttpResponse()


def fail(request: HttpRequest) -> HttpResponse:
    """Fail after one query."""
    Note.objects.count()
    raise RuntimeError("boom in the view")


class Page(View):
    """A page without a name."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Answer."""
        return HttpResponse()


async def async_page(request: HttpRequest) -> HttpResponse:
    """Ask twice, from a coroutine."""
    await Note.objects.acount()
    return HttpResponse(str(await Note.objects.acount()))
