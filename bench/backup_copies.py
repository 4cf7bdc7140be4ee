"""How large copies are, how long they take to come back, and what the drill takes."""

from __future__ import annotations

import time
from pathlib import Path

from bench.backup_figures import closed
from bench.backup_lab import ADDRESSES, SITE, Bench, visited
from tests.steps import demand

CHUNK = 100_000  # rows
# Two hundred words as of a language, and bytes that do not compress, about half and half.
TABLE = """
CREATE TABLE IF NOT EXISTS filling
(id bigint PRIMARY KEY, label text NOT NULL, words text NOT NULL, content bytea NOT NULL);
CREATE INDEX IF NOT EXISTS filling_label ON filling (label);
"""
FILL = """
INSERT INTO filling
SELECT id, md5(id::text),
       (SELECT string_agg(word[1 + (n * 0 + random() * 199)::int], ' ')
        FROM generate_series(1, 70 + (id % 20)::int) n),
       (SELECT string_agg(uuid_send(gen_random_uuid()), ''::bytea)
        FROM generate_series(1, 32 + (id % 2)::int))
FROM (SELECT array_agg(substr(md5(n::text), 1, 3 + n % 6)) AS word
      FROM generate_series(1, 200) n) words,
     generate_series({first}, {last}) id;
"""
# One row of a thousand, and the number of all.
DIGEST = """
SELECT count(*), (SELECT md5(string_agg(md5(words || label || content::text), '' ORDER BY id))
                  FROM filling WHERE id IN (SELECT generate_series(1, {last}, 1000))) FROM filling
"""
# Runs the drill's unit; adds up the proportional set sizes of its processes ten times a second,
# and keeps what the kernel says of its cgroup, in which the cache of files counts.
DRILL = """
import glob, subprocess, time
unit = "espalier-drill.service"
subprocess.run(["systemctl", "start", "--no-block", unit], check=True)
def read(path):
    try:
        return open(path).read()
    except OSError:
        return ""
def places(pid):
    lines = [line.split(":", 2) for line in read(f"/proc/{pid}/cgroup").splitlines()]
    return {names: path for _, names, path in lines}
def peak_of(found):
    for names, root, file in (("memory", "/sys/fs/cgroup/memory", "memory.max_usage_in_bytes"),
                              ("", "/sys/fs/cgroup", "memory.peak")):
        if unit in found.get(names, "") and (said := read(f"{root}{found[names]}/{file}")):
            return int(said)
    return 0
held = charged = 0
until = time.monotonic() + 2
while True:
    time.sleep(0.1)
    total = 0
    for pid in [path.split("/")[2] for path in glob.glob("/proc/[0-9]*")]:
        found = places(pid)
        if any(unit in path for path in found.values()):
            charged = max(charged, peak_of(found))
            for line in read(f"/proc/{pid}/smaps_rollup").splitlines():
                total += int(line.split()[1]) * 1024 if line.startswith("Pss:") else 0
    held = max(held, total)
    words = ["systemctl", "show", "--property=ActiveState", "--value", unit]
    state = subprocess.run(words, capture_output=True, text=True).stdout.strip()
    if state not in ("active", "activating") and time.monotonic() > until:
        break
print(state, held, charged)
"""


def measure_copies(bench: Bench, gb: float) -> list[tuple[str, str]]:
    """A database of so many GB is copied, proven, and brought back; gives rows."""
    if not bench.path:
        bench.converge("/writes")
    bench.pause()
    bench.archive(is_real=False)
    rows = _fill(bench, gb)
    bench.archive(is_real=True)
    bench.converge(f"/copies-{gb:g}")
    size = int(bench.sql(f"SELECT pg_database_size('{SITE}')"))
    bench.lab.say(f"{size / 1e9:.2f} GB in {rows} rows are copied")
    name = f"{size / 1e9:.1f} GB"
    found = [*_sizes(bench, name, size), *_drill(bench, name)]
    bench.on("rm -rf /var/lib/postgresql/*/replaced-*")
    digest = bench.sql(DIGEST.format(last=rows))
    bench.finish_segment()
    found.append(_restore(bench, f"{name}, on the same machine", size))
    demand(bench.sql(DIGEST.format(last=rows)) == digest, "rows are missing, or are other ones")
    bench.on("rm -rf /var/lib/postgresql/*/replaced-*")
    bench.finish_segment()
    bench.renew_spare()
    bench.burn()
    found.append(_restore(bench, f"{name}, on a new machine", size))
    demand(bench.sql(DIGEST.format(last=rows)) == digest, "rows are missing, or are other ones")
    return found


def _fill(bench: Bench, gb: float) -> int:
    """Have the database be so large; gives how many rows that takes."""
    bench.sql(TABLE)
    rows = int(bench.sql("SELECT coalesce(max(id), 0) FROM filling"))
    while (left := gb * 1e9 - int(bench.sql(f"SELECT pg_database_size('{SITE}')"))) > 0:
        last = rows + min(CHUNK, int(left / 1200) + 1)
        bench.sql(FILL.format(first=rows + 1, last=last))
        rows = last
    bench.sql("VACUUM ANALYZE filling")
    bench.sql("CHECKPOINT")
    return rows


def _sizes(bench: Bench, name: str, size: int) -> list[tuple[str, str]]:
    """What a full backup takes in the repository, and what a dump would."""
    newest = bench.state()["backups"][-1]
    demand(newest["kind"] == "full", str(newest))
    stored = _disk(bench.folder / "backup")
    dump = int(bench.on(f"cd /tmp; runuser -u postgres -- pg_dump -Fc {SITE} | wc -c"))
    seconds = newest["ended"] - newest["began"]
    return [
        (
            f"full backup of {name}, against `pg_dump -Fc`",
            f"**{stored / dump:.2f}** ({stored / 1e6:.0f} and {dump / 1e6:.0f} MB)",
        ),
        (f"and against the size of the database, {size / 1e6:.0f} MB", f"{stored / size:.2f}"),
        (f"seconds that the full backup of {name} takes", f"{seconds}"),
    ]


def _disk(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _drill(bench: Bench, name: str) -> list[tuple[str, str]]:
    """Prove the backup."""
    said = bench.on(f"python3 - <<'END'\n{DRILL}END").split()
    state, held, charged = said[-3:]
    report = bench.state()["drill"]
    demand(state == "inactive" and report["ok"], f"the drill failed: {report}")
    kernel = f", {int(charged) / 1e6:.0f} MB with the cache of files" if int(charged) else ""
    words = f"{report['seconds']:.0f} s, of which {report['fetch_seconds']:.0f} s fetch the backup"
    memory = f"{int(held) / 1e6:.0f} MB in all its processes (PSS{kernel})"
    return [(f"drill of {name}", f"{words}; {memory}, the largest {report['peak_mb']} MB")]


def _restore(bench: Bench, what: str, size: int) -> tuple[str, str]:
    """Bring it back, and count until the first good page; gives a row."""
    with visited(ADDRESSES[bench.site]) as visits:
        time.sleep(1)
        began = time.monotonic()
        bench.lab.espalier("restore", "--to", "latest", "--yes", SITE)
    since, until = closed(visits)
    report = bench.state()["restored"]
    total, fetch = until - began, report["fetch_seconds"]
    recovery = report["recovery_seconds"]
    shut = f", closed for {until - since:.0f} s" if since > began else ""
    parts = f"pgBackRest {fetch:.0f} s ({fetch / total:.0%}), recovery {recovery:.0f} s"
    rest = f"all else {total - fetch - recovery:.0f} s{shut}"
    speed = f"{total / size * 1e9:.0f} s/GB; pgBackRest alone {fetch / size * 1e9:.0f} s/GB"
    return f"restore of {what}", f"**{total:.0f} s** ({parts}, {rest}); {speed}"
