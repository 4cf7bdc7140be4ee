"""One page."""

from django.urls import path

from vineyard.views import vineyard

urlpatterns = [path("", vineyard)]
