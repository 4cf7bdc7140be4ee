"""The servers that run an application: how each is called, and the package that brings it."""

from __future__ import annotations

REQUIREMENTS: dict[str, list[str]] = {
    "gunicorn": ["gunicorn==27.0.1"],
    "uvicorn": ["uvicorn==0.54.0", "websockets==17.4"],
    "granian": ["granian==2.8.9"],
    "uwsgi": ["pyuwsgi==2.0.30.post1"],  # uWSGI, built
}
SERVERS = tuple(REQUIREMENTS)
