"""A service that runs, for the tests of this directory."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.unit.backup_destination.service import Service


@pytest.fixture
def service() -> Iterator[Service]:
    """Have a service that runs."""
    with Service() as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        yield found
        found.shutdown()
        thread.join()
