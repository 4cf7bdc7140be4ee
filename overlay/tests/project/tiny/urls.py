"""One page that reads, sets cookies and names static files; one that fails."""

from django.urls import path
from notes import views

urlpatterns = [path("", views.page), path("boom", views.boom)]
