"""The pages of the tests of the tiers; the admin at a URL of its own."""

from django.contrib import admin
from django.urls import path
from notes import tiers
from notes.models import Note

site = admin.AdminSite(name="backstage")
site.register(Note)
urlpatterns = [
    path("backstage/", site.urls),
    path("login", tiers.log_in),
    path("logout", tiers.log_out),
    path("whoami", tiers.whoami),
    path("notes", tiers.notes),
    path("notes/<int:pk>", tiers.note),
    path("how/<str:how>", tiers.how),
    path("async/<int:pk>", tiers.async_note),
]
