#!/usr/bin/env python3
"""Certificates of an authority on two web machines behind one name, with verification on.

    internet.py     as CI does; the lab of molecule/internet/inventory must be up

What each command wrote is in .lab/internet/commands.log.
"""

from __future__ import annotations

import json
import ssl
import sys
import time
from collections.abc import Callable

from lab import (
    AUTHORITY,
    GROVE,
    ISSUER,
    LAB,
    LETS_ENCRYPT,
    SHOP,
    SITE,
    STAGING,
    WEB,
    WWW,
    asked,
    audit,
    authority,
    dns,
    fact,
    fingerprint,
    names,
    on,
    orders,
    prepare,
    site,
    verified,
    visitors,
)

from tests.steps import Wrong, demand, soon
from tests.visitor import front_page

RENEW = "certificate renew --force"
BOTH = tuple(WEB.values())


OWN_AUTHORITY = 'authority: "https://acme.authority.net:14000/dir"'
TIMER_IS_DUE = """
    python3 - <<'END'
import json, pathlib
file = pathlib.Path("/var/lib/espalier-certificate/state.json")
file.write_text(json.dumps(json.loads(file.read_text()) | {"next_try": 0}))
END
    systemctl start espalier-certificate
"""


def first_run() -> None:
    """One name leads here, the other one does not yet: the site comes up, and says so."""
    dns(SHOP, *BOTH)
    output = site()
    demand(
        f"{WWW} has no address in DNS" in output, f"the run does not say what is wrong: {output}"
    )
    demand(asked() == [STAGING, LETS_ENCRYPT], f"asked for one certificate: {asked()}")
    for machine in WEB:
        demand(verified(machine, SHOP) == 200, f"{machine} is not served")
        demand(not hsts(machine), f"{machine} sends HSTS before a renewal")
    demand(fingerprint("web1") == fingerprint("web2"), "web2 has no copy of web1's")


def hsts(machine: str) -> str:
    """What a machine has browsers remember: that the site is on HTTPS, and for how long."""
    return front_page(WEB[machine], SHOP, ISSUER).headers.get("Strict-Transport-Security", "")


def missing_name_comes_by_itself() -> None:
    """DNS leads here at last: the timer's unit, in its sandbox, gets it."""
    dns(WWW, *BOTH)
    with visitors(*WEB):
        for address in WEB.values():
            on(
                address,
                "rm /var/lib/espalier-certificate/state.json; systemctl start espalier-certificate",
            )
    for machine in WEB:
        soon(lambda m=machine: WWW in names(m))
        demand(verified(machine, WWW) == 200, f"{machine} does not serve {WWW}")
        demand(fact(machine)["problem"] == "", f"{machine}: {fact(machine)['problem']}")
        on(WEB[machine], "systemctl is-active espalier-certificate.timer")


def nothing_to_do() -> None:
    """A run with nothing to change asks nobody; the timer's unit does not either.

    The run before it may have found that a certificate came by itself, and has HSTS sent since.
    """
    site()
    before = orders()
    output = site()
    demand("No change" in output, f"the run changed something: {output}")
    for address in WEB.values():
        on(address, "systemctl start espalier-certificate; certificate renew --now")
    demand(orders() == before, "an order was made though nothing is due")


def renew_while_the_other_is_stopped() -> None:
    """Each web machine renews its own, twice; nobody answers for it, and no request fails.

    DNS leads to the living one alone meanwhile: an authority may ask any address that it finds.
    """
    for machine, other in (("web1", "web2"), ("web2", "web1")):
        on(WEB[other], "systemctl stop nginx")
        try:
            early = "rm /var/lib/espalier-certificate/state.json; certificate renew"
            refused(machine, f"the web machine {WEB[other]} does not answer", early)
            for name in (SHOP, WWW):
                dns(name, WEB[machine])
            with visitors(machine):
                for _ in range(2):
                    before = fingerprint(machine)
                    on(WEB[machine], RENEW)
                    changed = soon(lambda m=machine, b=before: fingerprint(m) != b)
                    demand(changed, f"{machine} serves the old certificate")
        finally:
            on(WEB[other], "systemctl start nginx")
            for name in (SHOP, WWW):
                dns(name, *BOTH)
        demand(fact(machine)["renewals"] >= 2, f"{machine} counts {fact(machine)['renewals']}")
        life = time.mktime(time.strptime(fact(machine)["expires"][:19], "%Y-%m-%dT%H:%M:%S"))
        life -= time.mktime(time.strptime(fact(machine)["issued"][:19], "%Y-%m-%dT%H:%M:%S"))
        demand(abs(life - 160 * 3600) < 7200, f"the certificate lasts {life / 3600:.0f} h")
    demand(fingerprint("web1") != fingerprint("web2"), "both serve one certificate")


def due_by_the_authority() -> None:
    """The authority wants it renewed (ARI): the timer's unit does it on each machine, once.

    It was renewed now, so that the next run has browsers remember HTTPS.
    """
    authority("due")
    with visitors(*WEB):
        for machine, address in WEB.items():
            before = fingerprint(machine)
            on(address, TIMER_IS_DUE)
            changed = soon(lambda m=machine, b=before: fingerprint(m) != b)
            demand(changed, f"{machine} serves the old certificate")
        authority("normal")
        ordered, questions = orders(), len(asked("questions"))
        for address in BOTH:
            on(address, TIMER_IS_DUE)
        demand(orders() == ordered, "an order was made though the authority says that it is early")
        demand(len(asked("questions")) > questions, "the authority was not asked when to renew")
        site()
    for machine in WEB:
        demand("max-age=63072000" in hsts(machine), f"{machine} sends {hsts(machine)!r}")


def refused(machine: str, words: str, command: str = RENEW, name: str = SHOP) -> None:
    """A renewal fails, says why in these words, and the old certificate is served on."""
    before = fingerprint(machine, name)
    output = on(WEB[machine], command, status=None)
    demand(words in output, f"{words!r} is not in {output!r}")
    demand(words in fact(machine)["problem"], f"the fact says {fact(machine)['problem']!r}")
    is_served = fingerprint(machine, name) == before and verified(machine, name) == 200
    demand(is_served, "it is not served on")


def authority_in_trouble() -> None:
    """Down, slow, and with a rate limit: told, and left alone for as long as it says."""
    authority("down")
    refused("web1", "cannot be asked for a certificate")
    authority("slow")
    refused("web1", "timed out")
    authority("limited")
    refused("web1", "too many certificates already issued")
    before = orders()
    on(WEB["web1"], "certificate renew --now", status=None)
    on(WEB["web1"], "systemctl start espalier-certificate", status=None)
    demand(orders() == before, "the authority was asked again before its time")
    waits = on(
        WEB["web1"],
        "python3 -c 'import json, time; print(json.load(open("
        '"/var/lib/espalier-certificate/state.json"))["not_before"] - time.time())\'',
    )
    demand(float(waits) > 5000, f"it waits for {waits} s, and was told 5400")
    authority("normal")


def dns_in_trouble() -> None:
    """A name that leads elsewhere as well: nobody is asked, as that would fail there."""
    before = orders()
    dns(SHOP, *BOTH, AUTHORITY)
    refused("web2", f"{SHOP} has the A record {AUTHORITY}, and that is not this site")
    dns(SHOP, *BOTH, "2001:db8::7")
    refused("web2", f"{SHOP} has the AAAA record 2001:db8::7, and that is not this site")
    dns(SHOP, WEB["web1"])
    on(WEB["web1"], "systemctl stop nginx")
    try:
        refused("web2", f"port 80 of {SHOP} does not answer")
    finally:
        on(WEB["web1"], "systemctl start nginx")
        dns(SHOP, *BOTH)
    demand(orders() == before, "the authority was asked though preflight had refused")


def certificate_lost() -> None:
    """What is served stays, where a machine has lost all else and the authority is not there."""
    authority("down")
    with visitors("web2"):
        on(
            WEB["web2"],
            "rm -r /var/lib/espalier-certificate; certificate renew",
            status=1,
        )
    demand(fact("web2")["kind"] == "kept", f"web2 says {fact('web2')}")
    authority("normal")


def name_removed_and_a_new_machine() -> None:
    """A name less, by an edit; a machine that has lost its own begins with a copy. One order."""
    file = SITE / "group_vars/all/project.yml"
    file.write_text(file.read_text().replace(f"[{SHOP}, {WWW}]", f"[{SHOP}]"))
    on(WEB["web1"], "rm /var/lib/espalier-certificate/state.json")
    before = orders()
    with visitors(*WEB):
        site()
    demand(orders() == before + 1, f"{orders() - before} orders")
    for machine in WEB:
        demand(fact(machine)["names"] == [SHOP], f"{machine} has {fact(machine)['names']}")
    demand(fingerprint("web1") == fingerprint("web2"), "web2 has no copy of web1's")
    demand(soon(lambda: WWW not in names("web1")), f"{WWW} is still served")


def wildcard_by_dns() -> None:
    """Names that no A record has, a wildcard among them: proven in a zone that takes updates."""
    file = SITE / "group_vars/all/project.yml"
    text = file.read_text().replace(f"[{SHOP}]", f'[{GROVE}, "*.{GROVE}"]')
    file.write_text(text)
    output = site(status=2)
    demand("write `certificate: {dns: cloudflare}`" in output, output)
    by_dns = f"{OWN_AUTHORITY}, dns: rfc2136, propagation: 2, email:"
    file.write_text(text.replace("email:", by_dns))
    output = site(status=2)
    demand("nothing has its credentials" in output, output)
    (SITE / ".secrets/dns_credentials").write_text(
        on(AUTHORITY, "cat /srv/authority/dns_credentials")
    )
    before = orders()
    site()
    demand(orders() == before + 1, f"{orders() - before} orders")
    for machine in WEB:
        demand(set(names(machine, GROVE)) == {GROVE, f"*.{GROVE}"}, f"{names(machine, GROVE)}")
        for name in (GROVE, f"apple.{GROVE}"):
            demand(verified(machine, name) == 200, f"{machine} does not serve {name}")
        try:
            verified(machine, SHOP)
            raise Wrong(f"{machine} answers {SHOP}, which is the site's no more")
        except ssl.SSLError:
            pass
    demand(fingerprint("web1", GROVE) == fingerprint("web2", GROVE), "web2 has no copy")


def each_renews_by_dns() -> None:
    """Each web machine renews its own by DNS; no request fails, and no answer is left in DNS."""
    with visitors(*WEB, name=f"apple.{GROVE}"):
        for machine, address in WEB.items():
            before = fingerprint(machine, GROVE)
            on(address, RENEW)
            changed = soon(lambda m=machine, b=before: fingerprint(m, GROVE) != b)
            demand(changed, f"{machine} serves the old certificate")
    demand(fingerprint("web1", GROVE) != fingerprint("web2", GROVE), "both serve one certificate")
    left = on(AUTHORITY, f"dig +short @127.0.0.1 -p 5300 _acme-challenge.{GROVE} TXT")
    demand(not left.strip(), f"left in DNS: {left}")


def credentials_in_trouble() -> None:
    """The zone's key is another one now: the old certificate serves, and somebody is told."""
    file = "/etc/espalier/certificate.dns"
    on(WEB["web1"], f"sed -i '/secret/s/= ../= AA/' {file}")
    for _ in range(2):
        refused("web1", "the DNS provider (rfc2136)", name=GROVE)
    on(WEB["web1"], "systemctl start espalier-certificate", status=1)
    told = "espalier-certificate.service fails"
    demand(soon(lambda: told in on(WEB["web1"], "espalier-alerts status")), "nobody is told")
    demand(
        on(WEB["web1"], f"stat -c %a {file}").strip() == "600", "others may read the credentials"
    )
    site()  # writes the right ones again
    on(WEB["web1"], RENEW)
    demand(fact("web1")["problem"] == "", f"a run did not mend it: {fact('web1')['problem']}")
    demand(told not in on(WEB["web1"], "espalier-alerts status"), "it is told though it is over")


def address() -> None:
    """No name at all: the certificate is for the address that visitors use."""
    file = SITE / "group_vars/all/project.yml"
    text = file.read_text().replace(f'[{GROVE}, "*.{GROVE}"]', f"[{WEB['web1']}]")
    file.write_text(text.replace(" dns: rfc2136, propagation: 2,", ""))
    before = orders()
    site()
    demand(orders() == before + 1, f"{orders() - before} orders")
    demand(verified("web1", WEB["web1"]) == 200, "it is not served")
    before_renewal = fingerprint("web1")
    with visitors("web1", name=WEB["web1"]):
        on(WEB["web1"], RENEW)
        demand(soon(lambda: fingerprint("web1") != before_renewal), "it is not renewed")


def sandbox() -> None:
    """What systemd thinks of the unit, of 10."""
    output = on(
        WEB["web1"], "systemd-analyze security espalier-certificate.service --no-pager | tail -1"
    )
    LAB.say(f"  {output.strip()}")
    demand(float(output.rpartition(": ")[2].split()[0]) <= 3.0, output)


def audited() -> None:
    """Known auditors find what was spoilt, and nothing once it is mended; lynis has its reasons."""
    loosened = "[Service]\\nNoNewPrivileges=no\\nSystemCallFilter=\\nProtectSystem=no\\n"
    folder = "/run/systemd/system/espalier-certificate.service.d"
    on(
        WEB["web2"],
        f"""
        systemd-run -q --collect --unit=audit-hole python3 -m http.server -d /usr/share/doc 7007
        nft insert rule inet espalier input tcp dport 7007 accept
        printf 'PasswordAuthentication yes\\n' > /etc/ssh/sshd_config.d/00-audit.conf
        mkdir -p {folder}
        printf '{loosened}' > {folder}/a.conf
        systemctl daemon-reload
        systemctl reload ssh
    """,
    )
    try:
        table = audit(status=1)
    finally:
        on(
            WEB["web2"],
            f"""
            systemctl stop audit-hole
            rm -r {folder} /etc/ssh/sshd_config.d/00-audit.conf
            systemctl daemon-reload
            systemctl reload ssh espalier-firewall
        """,
        )
    failed = [line for line in table.splitlines() if "FAILED" in line]
    for words in ("FAILED: 7007", "FAILED: passwords", "FAILED: espalier-certificate.service"):
        demand(any(words in line for line in failed), f"{words!r} is not in {table}")
    demand(all(" web2 " in line for line in failed), f"web1 was not spoilt: {table}")
    rows = json.loads(audit("--json", status=0))["rows"]
    for row in rows:
        if row["check"] in ("ports", "tls") or row["what"] == "hardening index":
            LAB.say("  " + " | ".join(row[key] for key in ("what", "machine", "found", "result")))
    # Links between machines are IPv4: over IPv6, a neighbour sees no more than a stranger does.
    strangers = {"from the control machine, IPv4", "from the control machine, IPv6"}
    neighbours = {f"from {name}, IPv6" for name in ("web1", "web2", "db1")}
    for machine, found in (("web1", "22, 80, 443"), ("web2", "22, 80, 443"), ("db1", "22")):
        seen = {row["what"]: row["found"] for row in rows if row["machine"] == machine}
        for origin in (strangers | neighbours) - {f"from {machine}, IPv6"}:
            demand(seen.get(origin) == found, f"{machine} {origin} shows {seen.get(origin)}")


STEPS: tuple[Callable[[], None], ...] = (
    first_run,
    missing_name_comes_by_itself,
    nothing_to_do,
    due_by_the_authority,
    renew_while_the_other_is_stopped,
    authority_in_trouble,
    dns_in_trouble,
    certificate_lost,
    name_removed_and_a_new_machine,
    sandbox,
    audited,
    wildcard_by_dns,
    each_renews_by_dns,
    credentials_in_trouble,
    address,
)


if __name__ == "__main__":
    sys.exit(LAB.take(STEPS, prepare))
