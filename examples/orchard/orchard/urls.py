"""URLs of the project."""

from django.conf import settings
from django.conf.urls.static import static
from django.contrib import admin
from django.urls import include, path

admin.site.site_header = "Orchard diary"
admin.site.site_title = "Orchard diary"
admin.site.index_title = "The orchard's books"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("garden.urls")),
    # Photos while developing; empty when DEBUG is off.
    *static(settings.MEDIA_URL, document_root=settings.MEDIA_ROOT),
]
