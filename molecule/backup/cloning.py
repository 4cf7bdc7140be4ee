"""Production's data goes to staging, without what is known of people."""

from __future__ import annotations

import json
import re
import shlex
import shutil

from failures import told
from lab import LAB, STAGING, VPS, findings, numbers, on, psql

from tests.steps import ROOT, demand

PROJECT = "group_vars/all/project.yml"
PEOPLE = """
from django.contrib.auth.models import User
for i in range(20):
    User.objects.get_or_create(username=f"u{i}", defaults=dict(email=f"u{i}@orchard.test"))
""".strip()
STATE = "SELECT failed_count, pg_postmaster_start_time() FROM pg_stat_archiver"
REAL = "SELECT count(*) FROM auth_user WHERE email LIKE '%orchard.test'"


def clone() -> None:
    """Production's data in staging, of which no address of mail is left; production as before."""
    upload(VPS, "tree.jpg", "production's tree")
    on(VPS, f"release manage -- shell -c '{PEOPLE}'")
    psql(VPS, "SELECT pg_create_restore_point('people'); SELECT pg_switch_wal()")
    project = LAB.home / "project"
    production, staging = (project / "deploy" / name for name in ("production", "staging"))
    shutil.rmtree(project, ignore_errors=True)
    for place in (production, staging):
        shutil.copytree(LAB.site_directory, place)
    orchard = {"directory": str(ROOT / "examples/orchard"), "domains": ["shop.example"]}
    blanked = {"auth_user": ["email", "first_name", "last_name", "password"]}
    (production / PROJECT).write_text(json.dumps({"project": orchard | {"anonymise": blanked}}))
    (staging / PROJECT).write_text(json.dumps({"project": orchard | {"quiet": True}}))
    (staging / "group_vars/all/more.yml").write_text("{}")
    shutil.rmtree(staging / ".secrets")
    hosts = (staging / "hosts.yml").read_text()
    (staging / "hosts.yml").write_text(re.sub(r"198\.18\.106\.1[12]", STAGING, hosts))
    LAB.run(["espalier", "site", "-e", "staging"], cwd=project)
    archived = psql(
        VPS, "SELECT max(failed_count), pg_postmaster_start_time() FROM pg_stat_archiver"
    )
    upload(STAGING, "tree.jpg", "staging's tree")
    upload(STAGING, "own.jpg", "staging's own")
    words = ["clone", "-e", "production", "--to", "staging", "--anonymise", "--uploads"]
    said = LAB.run(["espalier", *words, "--yes", "orchard"], cwd=project)
    found = psql(
        STAGING,
        "SELECT count(*) FILTER (WHERE email LIKE '%orchard.test'), count(*) FROM auth_user",
    )
    left, all_of_them = map(int, found.split("|"))
    demand(all_of_them >= 20 and not left, f"{left} of {all_of_them} addresses are real: {said}")
    demand(numbers(STAGING) == numbers(VPS), "staging has not the rows of production")
    demand(sums(STAGING, "media/tree.jpg") == sums(VPS, "media/tree.jpg"), f"another tree: {said}")
    aside = "$(ls -d media-before-*/tree.jpg | tail -1)"
    there = on(STAGING, f'cd /srv/orchard && cat media/own.jpg "{aside}"')
    demand(there == "staging's ownstaging's tree", f"staging has lost uploads: {there}")
    left = on(VPS, "ls -d /srv/orchard/media.exporting 2> /dev/null || true")
    demand(not left, f"production has {left}")
    same = psql(VPS, STATE)
    demand(same == archived, f"production was touched: {archived}, then {same}")
    demand(psql(VPS, REAL) == "20", "production has lost addresses")
    demand(not told(), f"the backups of production are not well: {findings()}")


def upload(address: str, name: str, content: str) -> None:
    """Have the site on a machine own an upload."""
    owned = "install -o orchard -g orchard -m 644 /dev/stdin"
    on(address, f"printf %s {shlex.quote(content)} | {owned} /srv/orchard/media/{name}")


def sums(address: str, name: str) -> str:
    """The SHA-256 of a file of the site on a machine, with its name."""
    return on(address, f"cd /srv/orchard && sha256sum {name}")
