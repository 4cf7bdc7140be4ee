"""Tell images from other files by their first bytes."""

from pathlib import PurePath

from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile

MAX_BYTES = 5 * 1024 * 1024
SUFFIXES = {"jpeg": {".jpg", ".jpeg"}, "png": {".png"}, "webp": {".webp"}}


def image_kind(head: bytes) -> str | None:
    """Return "jpeg", "png" or "webp" for the first 12 bytes of a file, None for anything else."""
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    return None


def check_image(upload: UploadedFile) -> None:
    """Raise ValidationError unless the upload is a photo: of a known kind, named so, and small.

    SVG is left out on purpose: it may carry scripts.
    """
    if upload.size > MAX_BYTES:
        raise ValidationError("The photo is larger than 5 MB. Send a smaller one.")
    upload.seek(0)
    kind = image_kind(upload.read(12))
    upload.seek(0)
    if kind is None:
        raise ValidationError("This is not a photo. Send a JPEG, PNG or WebP file.")
    if PurePath(upload.name).suffix.lower() not in SUFFIXES[kind]:
        raise ValidationError(
            f"The file is a {kind.upper()} image, but its name does not end in "
            f"{' or '.join(sorted(SUFFIXES[kind]))}. Rename it."
        )
