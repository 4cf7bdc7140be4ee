"""Uploads are changed and deleted around a moment, and come back."""

from __future__ import annotations

import time
from datetime import datetime

from lab import LAB, VPS, on, restore

from tests.steps import demand

# Programs for the site's machine: files below the uploads, and a row with the sum of each.
ROWS = """
import hashlib, os, subprocess, sys
from pathlib import Path
MEDIA = Path("/srv/orchard/media/proof")
def sql(text):
    words = ["runuser", "-u", "postgres", "--", "psql", "-XAtq", "-d", "orchard"]
    return subprocess.run(words, input=text, text=True, check=True, capture_output=True).stdout
def store(number):
    content = os.urandom(2000)
    path = MEDIA / f"{number % 10}" / f"tree {number}.jpg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()
"""
FILES = (
    ROWS
    + """
lines = "".join(f"{number}\\t{store(number)}\\n" for number in range(1000))
sql("DROP TABLE IF EXISTS proof; CREATE TABLE proof (id int PRIMARY KEY, sum text);"
    f"COPY proof FROM STDIN;\\n{lines}\\\\.\\n")
"""
)
# Of the 500 from a number on: 100 are changed, 100 deleted, and as many new ones come.
CHANGES = (
    ROWS
    + """
first = int(sys.argv[1])
for number in range(first, first + 100):
    sql(f"UPDATE proof SET sum = '{store(number)}' WHERE id = {number}")
for number in range(first + 100, first + 200):
    sql(f"DELETE FROM proof WHERE id = {number}")
    (MEDIA / f"{number % 10}" / f"tree {number}.jpg").unlink()
for number in range(first + 2000, first + 2100):
    sql(f"INSERT INTO proof VALUES ({number}, '{store(number)}')")
"""
)
COMPARE = (
    ROWS
    + """
rows = [line.split("|") for line in sql("SELECT id, sum FROM proof").split()]
wrong = []
for number, expected in rows:
    path = MEDIA / f"{int(number) % 10}" / f"tree {number}.jpg"
    found = hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "no file"
    wrong += [number] if found != expected else []
print(f"{len(rows)} rows, {len(wrong)} wrong {wrong[:5]}")
"""
)


def uploads() -> None:
    """1,000 files, some changed and some deleted around a moment: each row has its file again."""
    on(VPS, f"python3 - <<'END'\n{FILES}END")
    files = "systemctl start espalier-uploads-backup.service"
    on(VPS, files)
    on(VPS, f"python3 - 0 <<'END'\n{CHANGES}END")
    time.sleep(2)
    moment = datetime.now().astimezone()
    time.sleep(2)
    on(VPS, f"python3 - 500 <<'END'\n{CHANGES}END")
    on(VPS, files)
    restore("--to", moment.isoformat())
    said = on(VPS, f"python3 - <<'END'\n{COMPARE}END").strip()
    LAB.say(said)
    demand(said.startswith("1000 rows, 0 wrong"), said)
    demand("replaced" in on(VPS, "ls -d /srv/orchard/*"), "nothing was set aside")
