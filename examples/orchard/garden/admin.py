"""The orchard's books."""

from django.contrib import admin

from .forms import CheckedPhotoForm
from .models import Harvest, Note, Tree, Variety


@admin.register(Variety)
class VarietyAdmin(admin.ModelAdmin):
    """Varieties."""

    list_display = ["name", "fruit", "origin", "ripens"]
    list_filter = ["fruit"]
    search_fields = ["name", "origin", "about"]
    prepopulated_fields = {"slug": ["name"]}


@admin.register(Tree)
class TreeAdmin(admin.ModelAdmin):
    """Trees."""

    form = CheckedPhotoForm
    fields = ["name", "variety", "form", "place", "planted_on", "photo"]
    list_display = ["name", "variety", "form", "place", "planted_on"]
    list_filter = ["form", "variety"]
    list_select_related = ["variety"]
    search_fields = ["name", "place", "variety__name"]
    autocomplete_fields = ["variety"]


@admin.register(Harvest)
class HarvestAdmin(admin.ModelAdmin):
    """Harvests, of which there may be very many."""

    list_display = ["picked_on", "tree", "kilograms"]
    list_select_related = ["tree"]
    search_fields = ["tree__name", "tree__variety__name"]
    autocomplete_fields = ["tree"]
    date_hierarchy = "picked_on"
    show_full_result_count = False


@admin.register(Note)
class NoteAdmin(admin.ModelAdmin):
    """Notes."""

    list_display = ["__str__", "tree", "author", "written_at"]
    list_select_related = ["tree"]
    search_fields = ["text", "author", "tree__name"]
    autocomplete_fields = ["tree"]
    readonly_fields = ["key", "written_at"]
    show_full_result_count = False
