"""The front page, and the admin."""

from django.contrib import admin
from django.http import HttpResponse
from django.urls import path


def front_page(request):
    """Name what was installed, by what each of them says of itself."""
    import errands_git
    import errands_index
    import errands_ssh
    import psycopg

    found = [errands_index.WHERE, errands_git.WHERE, errands_ssh.WHERE, psycopg.pq.__impl__]
    return HttpResponse(f"<html><body>{' '.join(found)}</body></html>")


urlpatterns = [path("", front_page), path("admin/", admin.site.urls)]
