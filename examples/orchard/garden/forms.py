"""Forms of the diary."""

import uuid

from django import forms
from django.core.files.uploadedfile import UploadedFile

from .images import check_image
from .models import Note, Tree


class NoteForm(forms.ModelForm):
    """A note on a tree; the hidden key makes sending the same form twice harmless."""

    # Declared beside Meta.fields, so that a key already stored is no validation error.
    key = forms.UUIDField(required=False, initial=uuid.uuid4, widget=forms.HiddenInput)

    class Meta:
        model = Note
        fields = ["text", "author"]
        widgets = {"text": forms.Textarea(attrs={"rows": 5})}


class CheckedPhotoForm(forms.ModelForm):
    """A tree whose new photo, if there is one, is checked to be an image."""

    def clean_photo(self) -> object:
        """Check a new upload; a photo that is already stored is left alone."""
        photo = self.cleaned_data["photo"]
        if isinstance(photo, UploadedFile):
            check_image(photo)
        return photo


class PhotoForm(CheckedPhotoForm):
    """Just the photo, which must be there."""

    photo = forms.FileField(
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/webp"}),
        help_text="JPEG, PNG or WebP, up to 5 MB.",
    )

    class Meta:
        model = Tree
        fields = ["photo"]
