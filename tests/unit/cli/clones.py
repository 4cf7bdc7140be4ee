"""What a machine answers that has exported a moment."""

from __future__ import annotations

ANSWER = {
    "ok": True,
    "path": "/var/lib/espalier/database-backup/export-x.dump",
    "bytes": 1500000,
    "target": {"what": "all that the destination has"},
    "moment": 1795874580.25,
    "anonymised": {"public.auth_user": 3},
    "sessions": {"public.django_session": 7},
}
