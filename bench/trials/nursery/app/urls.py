"""URLs of the costly pages."""

from django.urls import path

from . import views

app_name = "nursery"
urlpatterns = [
    path("compute/", views.compute, name="compute"),
    path("rows/", views.rows, name="rows"),
    path("both/", views.both, name="both"),
    path("sleep/", views.sleep, name="sleep"),
    path("remote/", views.remote, name="remote"),
    path("entry/", views.write, name="write"),
    path("hot/", views.hot, name="hot"),
    path("pooled/", views.pooled, name="pooled"),
    path("list/", views.one_by_one, name="list"),
    path("find/", views.find, name="find"),
    path("wide/", views.wide, name="wide"),
    path("cached/", views.cached, name="cached"),
    path("file/", views.file, name="file"),
    path("page/<int:number>/", views.page, name="page"),
]
