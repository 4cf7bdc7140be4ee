"""Make rows: `manage.py grow --rows 20000 --bytes 100`; what is there is replaced."""

from django.core.management.base import BaseCommand
from django.db import connection

INSERT = """
INSERT INTO nursery_row (kind, code, value, text)
SELECT n %% 50, md5(n::text), (n * 7919) %% 10007,
       (SELECT coalesce(string_agg(md5((n * 1000 + m)::text), ''), '')
        FROM generate_series(1, %s) m)
FROM generate_series(1, %s) n
"""


class Command(BaseCommand):
    """See the module."""

    help = __doc__

    def add_arguments(self, parser):
        """How many rows, and how many bytes each has."""
        parser.add_argument("--rows", type=int, default=20000)
        parser.add_argument("--bytes", type=int, default=96)

    def handle(self, *, rows, **options):
        """Replace the rows."""
        with connection.cursor() as cursor:
            cursor.execute("TRUNCATE nursery_row RESTART IDENTITY")
            cursor.execute(INSERT, [options["bytes"] // 32, rows])
            cursor.execute("ANALYZE nursery_row")
        self.stdout.write(f"{rows} rows")
