"""Two pages: the nearest place, and what Django knows of the visitor."""

from django.urls import path

from places import views

urlpatterns = [path("", views.nearest), path("visitor/", views.visitor)]
