"""The pages of the tests of timing."""

from django.urls import include, path
from notes import timed

named = [path("queries/<int:count>", timed.queries, name="queries & more")]
urlpatterns = [
    path("notes/", include((named, "notes"))),
    path("write", timed.write, name="write"),
    path("cached", timed.cached, name="cached"),
    path("broken", timed.broken, name="broken"),
    path("table", timed.table, name="table"),
    path("outside", timed.outside, name="outside"),
    path("compute", timed.compute),
    path("fail", timed.fail, name="fail"),
    path("class", timed.Page.as_view()),
    path("async", timed.async_page, name="async"),
]
