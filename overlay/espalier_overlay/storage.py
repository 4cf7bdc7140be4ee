"""Static files under hashed names, where a reference to nothing breaks nothing."""

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.exceptions import SuspiciousOperation

Result = tuple[str, str | None, Any]


class StaticStorage(ManifestStaticFilesStorage):
    """Django's manifest storage, forgiving.

    A project that works with `runserver` may name static files that do not exist, in templates,
    stylesheets and source maps: a browser shrugs at the 404. Django's storage raises instead, in
    `collectstatic` or on the page. Here such a reference keeps its plain URL; files that refer to
    each other in a circle, or are no UTF-8, are stored as they are under the hash of their content.
    """

    # Strict, for Django's cheap way to say that a name is not in the manifest: `stored_name` below
    # answers it. Not strict would hash the file on every page, to a name that was never stored.
    manifest_strict = True
    # One pass per level of @import; only references that change cost another.
    max_post_process_passes = 10

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what Django's storage takes."""
        super().__init__(*args, **kwargs)
        self._verbatim: set[str] = set()
        self._unsettled: set[str] = set()

    def stored_name(self, name: str) -> str:
        """Return the hashed name from the manifest, or the name itself if it is not there."""
        try:
            return super().stored_name(name)
        except (ValueError, SuspiciousOperation):
            return name

    def url_converter(self, *args: Any, **kwargs: Any) -> Callable[[Any], str]:
        """Return Django's converter of one reference, which leaves a dangling one as it is."""
        convert = super().url_converter(*args, **kwargs)

        def convert_or_keep(match: Any) -> str:
            try:
                return convert(match)
            except (ValueError, SuspiciousOperation):
                return match.group(0)

        return convert_or_keep

    def post_process(self, paths: dict[str, Any], **options: Any) -> Iterator[Result]:
        """Yield what Django yields, but for files that it cannot give stable hashed names.

        Args:
            paths: name -> (source storage, path in it), of every collected file.
            options: `dry_run`.
        """
        self._verbatim = {name for name in paths if not self._is_text(*paths[name], name)}
        results = list(super().post_process(paths, **options))
        if any(isinstance(processed, RuntimeError) for _, _, processed in results):
            # Files that refer to each other in a circle have no hash that holds: every rewrite
            # changes the next one. Left unrewritten they refer to plain names, which exist too.
            self._verbatim |= self._unsettled
            results = list(super().post_process(paths, **options))
        yield from results

    def _post_process(
        self, paths: dict[str, Any], adjustable_paths: list[str], hashed_files: dict[str, str]
    ) -> Iterator[tuple[str, str | None, Any, bool]]:
        """Run one pass of Django's, without rewriting the files in `_verbatim`."""
        adjustable = [name for name in adjustable_paths if name not in self._verbatim]
        self._unsettled = set()
        for name, hashed_name, processed, changed in super()._post_process(
            paths, adjustable, hashed_files
        ):
            changed = changed and name in adjustable
            if changed:
                self._unsettled.add(name)
            yield name, hashed_name, processed, changed

    def _is_text(self, storage: Any, path: str, name: str) -> bool:
        """Tell whether Django may decode the file; it decodes only stylesheets and scripts."""
        if not name.endswith((".css", ".js")):
            return True
        with storage.open(path) as file:
            try:
                file.read().decode("utf-8")
            except UnicodeDecodeError:
                return False
        return True
