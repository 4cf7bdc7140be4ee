"""Every address of the site; the WebSocket's is in asgi.py."""

from django.urls import path

from hive import views

urlpatterns = [
    path("", views.jars, name="jars"),
    path("jars.json", views.jars_as_json, name="jars-as-json"),
]
