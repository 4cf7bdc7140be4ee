"""The lab of the scenario: its machines by SSH, its DNS, its authority, and visitors who verify."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tests.steps import SSH, Lab, demand
from tests.visitor import front_page

LAB = Lab("internet")
HOME, SITE = LAB.home, LAB.site_directory
on, site = LAB.on, LAB.site
ISSUER = HOME / "issuer.pem"  # of the certificates of the site
AUTHORITY = "198.18.33.10"
WEB = {"web1": "198.18.33.11", "web2": "198.18.33.12"}
SHOP, WWW = "shop.orchard.net", "www.orchard.net"
# A site asks them of itself; in this lab, DNS leads to its own authority.
LETS_ENCRYPT, STAGING = "acme-v02.api.letsencrypt.org", "acme-staging-v02.api.letsencrypt.org"
GROVE = "grove.net"  # its zone takes updates
FACT = "/etc/ansible/facts.d/espalier_certificate.fact"


def prepare() -> None:
    """Make the authority, and have the machines ask its DNS and trust its root."""
    LAB.prepare()
    tar = subprocess.run(
        ["tar", "-C", str(LAB.here), "-c", "authority"], capture_output=True, check=True
    )
    unpack = [*SSH, f"root@{AUTHORITY}", "tar -C /srv -x"]
    subprocess.run(unpack, input=tar.stdout, check=True)
    on(AUTHORITY, f"bash /srv/authority/setup.sh {AUTHORITY}")
    root = on(AUTHORITY, "cat /srv/authority/root.pem")
    for address in WEB.values():
        on(
            address,
            f"""
            echo 'nameserver {AUTHORITY}' > /etc/resolv.conf
            cat > /usr/local/share/ca-certificates/lab.crt <<'END'
{root}
END
            update-ca-certificates >/dev/null 2>&1
            # Of a run before.
            rm -rf /var/lib/espalier-certificate /etc/ansible/facts.d/espalier_certificate.fact
        """,
        )
    for name in ("acme.authority.net", LETS_ENCRYPT, STAGING):
        dns(name, AUTHORITY)
    code = (
        "import ssl, urllib.request as r; print(r.urlopen('https://127.0.0.1:15000/roots/0', "
        "context=ssl.create_default_context(cafile='/srv/authority/root.pem')).read().decode())"
    )
    issuers = on(AUTHORITY, f'python3 -c "{code}"')
    ISSUER.write_text(issuers)


def dns(name: str, *addresses: str) -> None:
    """Have a name these addresses alone."""
    for kind, colon in (("a", False), ("aaaa", True)):
        wanted = [one for one in addresses if (":" in one) is colon]
        _challtestsrv(f"clear-{kind}", {"host": f"{name}."})
        if wanted:
            _challtestsrv(f"add-{kind}", {"host": f"{name}.", "addresses": wanted})


def _challtestsrv(path: str, body: Mapping[str, Any]) -> None:
    code = f"import urllib.request as r; r.urlopen('http://127.0.0.1:8055/{path}', BODY)"
    code = code.replace("BODY", repr(json.dumps(body).encode()))
    on(AUTHORITY, f"python3 - <<'END'\n{code}\nEND")


def authority(mode: str) -> None:
    """Have the authority answer as authority/front.py says, or not at all (`down`)."""
    if mode == "down":
        on(AUTHORITY, "systemctl stop front")
    else:
        on(
            AUTHORITY,
            f"echo {mode} > /srv/authority/mode; systemctl start front; "
            "until bash -c 'exec 3<>/dev/tcp/127.0.0.1/14000' 2>/dev/null; do sleep 0.2; done",
        )


def asked(what: str = "orders") -> list[str]:
    """Names of the authorities that were asked so far: for `orders`, or `questions` (ARI)."""
    lines = on(AUTHORITY, f"cat /srv/authority/{what} 2>/dev/null || true").splitlines()
    return [line.split()[0] for line in lines]


def orders() -> int:
    """How many orders the authority was asked for so far, without those of its staging."""
    return sum(host != STAGING for host in asked())


def audit(*more: str, status: int) -> str:
    """Run `espalier verify --security`; gives what it printed, or Wrong for another exit status."""
    return LAB.espalier("verify", "--security", *more, status=status, with_errors=False)


def fact(machine: str) -> dict[str, Any]:
    """What a machine says of its certificate."""
    found: dict[str, Any] = json.loads(on(WEB[machine], f"cat {FACT}"))
    return found


def fingerprint(machine: str, name: str = SHOP) -> str:
    """Of the certificate that a machine serves, read from the wire and not verified."""
    context = ssl._create_unverified_context()
    plain = socket.create_connection((WEB[machine], 443), 10)
    with context.wrap_socket(plain, server_hostname=name) as wrapped:
        served = wrapped.getpeercert(binary_form=True)
    return served.hex() if served else ""


def names(machine: str, name: str = SHOP) -> list[str]:
    """The names of the certificate that a machine serves to a visitor who verifies it."""
    context = ssl.create_default_context(cafile=str(ISSUER))
    plain = socket.create_connection((WEB[machine], 443), 10)
    with context.wrap_socket(plain, server_hostname=name) as wrapped:
        served: Any = wrapped.getpeercert()
    return [one for _, one in served["subjectAltName"]]


def verified(machine: str, name: str) -> int:
    """The status of the front page for a visitor who verifies; ssl.SSLError where that fails."""
    return front_page(WEB[machine], name, ISSUER).status


@contextmanager
def visitors(*machines: str, name: str = SHOP) -> Iterator[list[str]]:
    """Visitors of a name on these machines, all the time, who verify; gives their failures."""
    failures: list[str] = []
    count, over = [0], threading.Event()

    def visit(machine: str) -> None:
        while not over.is_set():
            try:
                status = verified(machine, name)
                count[0] += 1
                if status != 200:
                    failures.append(f"{machine}: {status}")
            except (OSError, http.client.HTTPException) as error:
                failures.append(f"{machine}: {error!r}")
            time.sleep(0.05)

    threads = [threading.Thread(target=visit, args=(one,)) for one in machines]
    for thread in threads:
        thread.start()
    try:
        yield failures
    finally:
        over.set()
        for thread in threads:
            thread.join()
    demand(not failures, f"{len(failures)} of {count[0]} requests failed: {failures[:3]}")
    LAB.say(f"  {count[0]} requests, none failed")
