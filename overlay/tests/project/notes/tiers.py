"""Pages that read and write, and say which database they read from."""

from django.contrib.auth import authenticate, login, logout
from django.db import connection, connections, transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from notes.models import Note

SLOW = "SELECT id, text, stars FROM notes_note, pg_sleep(0.5) ORDER BY id LIMIT 1"
CHANGE = "UPDATE notes_note SET stars = stars + 1 WHERE id = (SELECT min(id) FROM notes_note)"


@csrf_exempt
def notes(request: HttpRequest) -> JsonResponse:
    """Store a note, at POST; say how many there are, at GET."""
    if request.method == "POST":
        return JsonResponse({"pk": Note.objects.create(text=request.POST["text"]).pk})
    return JsonResponse({"count": Note.objects.count()})


def note(request: HttpRequest, pk: int) -> JsonResponse:
    """Say whether a note is there."""
    found = Note.objects.filter(pk=pk).first()
    return JsonResponse({"there": found is not None, "db": found and found._state.db})


async def async_note(request: HttpRequest, pk: int) -> JsonResponse:
    """Say it in another way."""
    found = await Note.objects.filter(pk=pk).afirst()
    return JsonResponse({"there": found is not None, "db": found and found._state.db})


def first() -> str:
    """Read, and say from where."""
    return Note.objects.order_by("pk")[0]._state.db


def how(request: HttpRequest, how: str) -> JsonResponse:
    """Read in some way; `db` says from where, in the order of the reads."""
    if how == "plain":
        db = [first(), first()]
    elif how == "atomic":
        with transaction.atomic():
            db = [first()]
        db.append(first())
    elif how == "lock":
        with transaction.atomic():
            db = [Note.objects.select_for_update().order_by("pk")[0]._state.db]
    elif how == "create":
        db = [first()]
        Note.objects.create(text="made by a GET")
        db.append(first())
    elif how == "save":
        one = Note.objects.order_by("pk")[0]
        db = [one._state.db]
        one.stars += 1
        one.save()
        one.refresh_from_db()
        db.append(one._state.db)
    elif how == "cursor":
        db = [first()]
        with connection.cursor() as cursor:
            cursor.execute(CHANGE)
        db.append(first())
    elif how == "set":
        db = [first()]
        with connection.cursor() as cursor:
            cursor.execute("SET TIME ZONE 'UTC'")
        db.append(first())
    elif how in ("raw", "elsewhere"):
        if how == "elsewhere":  # a database of the project's own
            with connections["other"].cursor() as cursor:
                cursor.execute(CHANGE)
        # Django takes it for a read.
        db = [one._state.db for one in Note.objects.raw(f"{CHANGE} RETURNING id, text, stars")]
    else:
        db = [one._state.db for one in Note.objects.raw(SLOW)]
    return JsonResponse({"db": db})


@csrf_exempt
def log_in(request: HttpRequest) -> JsonResponse:
    """Log the only user in."""
    user = authenticate(request, username="ada", password="ada")
    login(request, user)
    return JsonResponse({})


@csrf_exempt
def log_out(request: HttpRequest) -> JsonResponse:
    """Log the user out."""
    logout(request)
    return JsonResponse({})


def whoami(request: HttpRequest) -> JsonResponse:
    """Say who is logged in."""
    return JsonResponse({"user": request.user.get_username()})
