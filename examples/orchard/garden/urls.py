"""URLs of the garden app."""

from django.urls import path

from . import views

app_name = "garden"
urlpatterns = [
    path("", views.tree_list, name="trees"),
    path("trees/<int:pk>/", views.tree_detail, name="tree"),
    path("trees/<int:pk>/note/", views.note_create, name="note"),
    path("trees/<int:pk>/photo/", views.photo_upload, name="photo"),
    path("harvest/", views.harvest, name="harvest"),
    path("almanac/", views.almanac, name="almanac"),
    path("guide/", views.guide, name="guide"),
    path("where/", views.where, name="where"),
    path("notes.json", views.notes_json, name="notes"),
]
