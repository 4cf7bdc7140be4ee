#!/usr/bin/env python3
"""Who gets in by SSH and through the firewall; a change that locks people out takes itself back.

    lockout.py                  as CI does; the lab of molecule/lockout/inventory must be up
    lockout.py attack fail2ban  some steps alone

What each command wrote is in .lab/lockout/commands.log.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from certificate import Own
from lab import (
    HERE,
    LAB,
    OTHERS,
    PASSWORD,
    RULES,
    STRANGER,
    VPS,
    WITHOUT_PENALTIES,
    answers_stranger,
    by_password,
    from_stranger,
    gets_in,
    in_their_sandboxes,
    inside,
    on,
    others_are_untouched,
    page,
    prepare,
    rules,
    serves,
    set_project,
    set_variables,
    site,
    sshd,
)

from espalier.environment import plain_environment
from tests.steps import BIN, ROOT, SSH, demand, soon


def without_a_key() -> None:
    """Whoever runs it has a password alone: it goes on to let in, and the run says what lacks."""
    set_variables(ansible_user="deploy", ansible_password=PASSWORD, ansible_ssh_private_key_file="")
    output = " ".join(site().split())
    demand("SSH still takes passwords, as no key of yours lets you in" in output, output)
    demand(sshd("passwordauthentication") == "yes", "passwords were closed")
    demand(not (refusal := by_password("deploy")), f"the password does not let in: {refusal}")
    demand("No change" in site(), "a second run changes something")
    in_their_sandboxes(":")


def with_a_key() -> None:
    """A key is proven, so passwords go, though cloud-init's file allows them."""
    set_variables()
    output = site()
    demand("still takes passwords" not in output, output)
    refusal = by_password("deploy")
    demand("Permission denied (publickey)" in refusal, f"the password was asked for: {refusal!r}")
    demand(gets_in(), "the key does not let in")
    others_are_untouched()


def settings_that_lock_out() -> None:
    """SSH's settings that let nobody in: 60 seconds later they are as before, and it is said."""
    wrong = {
        "name": "ssh",
        "what": "SSH's settings",
        "files": [{"path": "/etc/ssh/sshd_config.d/00-a.conf", "content": "AllowUsers nobody\n"}],
        "validate": "sshd -t",
        "apply": "systemctl try-reload-or-restart ssh",
    }
    argv = ["ansible", "vps1", "-i", str(LAB.site_directory), "-m", "guarded_files"]
    output = LAB.run([*argv, "-a", json.dumps(wrong)], status=2)
    demand("So the machine has taken that change back, and can be reached." in output, output)
    demand(gets_in(), "nobody gets in")
    left = ["/etc/ssh/sshd_config.d/00-a.conf", "/var/lib/espalier-guard/ssh"]
    demand(not any(inside(f"test -e {path}") for path in left), f"one of {left} is left")


@contextlib.contextmanager
def run_that_locks_out(seconds: int) -> Iterator[None]:
    """A run whose rules let nobody in, killed as soon as they are in force."""
    wrong = json.dumps({"firewall_ssh_ports": [2222], "firewall_seconds": seconds})
    argv = [str(BIN / "ansible-playbook"), "site.yml", "-i", str(LAB.site_directory)]
    before = rules()
    log = (LAB.home / "killed.log").open("w")
    run = subprocess.Popen(
        [*argv, "--tags", "firewall", "--extra-vars", wrong],
        cwd=ROOT,
        env=plain_environment(ANSIBLE_CONFIG=str(ROOT / "ansible.cfg")),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    try:
        is_shut = soon(lambda: inside("nft list table inet espalier | grep -q 'dport 2222'"), 120)
    finally:
        os.killpg(run.pid, signal.SIGKILL)
        run.wait()
    demand(is_shut and not gets_in(), "nobody was locked out, so this tests nothing")
    yield
    demand(rules() == before, f"the rules are others: {rules()}")
    demand(not inside(f"grep 2222 {RULES}"), "a restart would load the wrong rules")
    demand(not inside("test -e /var/lib/espalier-guard/firewall"), "the guard is still there")


def run_is_killed() -> None:
    """A run is killed between writing rules and confirming them: the machine takes them back."""
    with run_that_locks_out(30):
        demand(soon(gets_in, 90), "the rules were not taken back")


def machine_restarts() -> None:
    """The machine restarts in that moment, long before its time is up: the old rules are back."""
    with run_that_locks_out(3600):
        restart = ["podman", "restart", "--time", "20", f"espalier-{LAB.name}-vps1"]
        subprocess.run(restart, check=True, capture_output=True)
        demand(soon(gets_in, 180), "the machine came back with rules that let nobody in")
    on(VPS, f"nft -f - <<'END'\n{OTHERS}\nEND")
    demand(soon(serves, 60), "the site did not come back")
    others_are_untouched()


def another_port() -> None:
    """SSH moves to another port and back: until the new one is used, both let in."""
    set_variables(ssh={"port": 2222})
    output = site()
    demand("Write `ansible_port: 2222` in hosts.yml" in output, output)
    demand(gets_in(port=22) and gets_in(port=2222), "both ports should let in")
    set_variables(ssh={"port": 2222}, ansible_port=2222)
    site()
    demand(gets_in(port=2222) and not gets_in(port=22), "2222 alone should let in")
    set_variables(ansible_port=2222)
    site()
    set_variables()
    site()
    demand(gets_in(port=22) and not gets_in(port=2222), "22 alone should let in")


def house_rules() -> None:
    """Who may reach what, as hosts.yml says; what would lock the run itself out is refused."""
    before = rules()
    set_variables(firewall={"ssh_from": ["203.0.113.0/24"]})
    output = " ".join(site(status=2).split())
    wanted = f"is reached from the address {HERE}, which `firewall: {{ssh_from: …}}` in hosts.yml"
    demand(wanted in output and "Nothing was changed" in output, output)
    demand(rules() == before, "the rules were changed all the same")
    listen = "systemd-run -q --collect --unit=house-{port} python3 -c {code}"
    tcp = "'import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=7007)'"
    udp = (
        '\'import socket; s = socket.socket(type=socket.SOCK_DGRAM); s.bind(("", 51820))\n'
        'while True: open("/root/heard", "ab").write(s.recvfrom(99)[0] + b"\\n")\''
    )
    on(VPS, listen.format(port=7007, code=tcp) + "\n" + listen.format(port=51820, code=udp))
    knock = f"timeout 3 bash -c 'exec 3<>/dev/tcp/{VPS}/PORT'"
    demand("Permission denied" in (heard := from_stranger()), f"the stranger hears {heard!r}")
    on(STRANGER, knock.replace("PORT", "7007"), status=124)
    allowed = [{"port": 51820, "protocol": "udp", "from": STRANGER}, {"port": 7007}]
    set_variables(firewall={"ssh_from": [HERE], "allow": allowed})
    site()
    demand("timed out" in (heard := from_stranger()), f"the stranger hears {heard!r}")
    on(STRANGER, knock.replace("PORT", "7007"))
    subprocess.run(["bash", "-c", f"echo quince > /dev/udp/{VPS}/51820"], check=True)
    on(STRANGER, f"echo pear > /dev/udp/{VPS}/51820")
    demand(soon(lambda: "pear" in on(VPS, "cat /root/heard || true")), "UDP was not let through")
    demand("quince" not in on(VPS, "cat /root/heard"), "UDP of others was let through")
    others_are_untouched()
    set_variables(firewall={"off": True})
    site()
    on(VPS, "nft list table inet espalier", status=1)
    others_are_untouched()
    set_variables()
    site()
    on(STRANGER, knock.replace("PORT", "7007"), status=124)
    on(VPS, "systemctl stop house-7007 house-51820; rm /root/heard")
    others_are_untouched()


def attack() -> None:
    """500 logins of a stranger fail: they are held up, and each of ours gets in meanwhile."""
    attempt = (
        "timeout 30 ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
        f"-o BatchMode=yes -o ConnectTimeout=2 nobody_at_all@{VPS} true"
    )
    one = f"{attempt} 2>&1 | tail -n 1 | grep . || echo silence"
    script = f"seq 500 | xargs -P 40 -I+ sh -c '{one}' > /root/heard || true"
    began = time.monotonic()
    attacker = subprocess.Popen([*SSH, f"root@{STRANGER}", script], stdin=subprocess.DEVNULL)
    ours: list[bool] = []
    try:
        while attacker.poll() is None and len(ours) < 500:
            # It may take its time on a busy machine, and has to be let in.
            ours.append(gets_in("-o", "ConnectTimeout=60"))
            time.sleep(0.5)
    finally:
        attacker.kill()
        attacker.wait()
    seconds = time.monotonic() - began
    heard = on(STRANGER, "cat /root/heard").splitlines()
    asked = sum("Permission denied" in line for line in heard)
    LAB.say(f"  of {len(heard)} logins {asked} came as far as a key; {len(ours)} of ours got in")
    demand(len(heard) == 500, f"the stranger tried {len(heard)} times")
    demand(len(ours) > 3 and all(ours), f"{ours.count(False)} of {len(ours)} of ours were kept out")
    # What the firewall lets one address begin in that time: 100 at once, then two a second.
    limit = 110 + 2 * seconds
    demand(0 < asked < limit, f"{asked} came as far as a key, not below {limit:.0f}: {heard[:3]}")
    began = time.monotonic()
    # sshd of Debian 13 keeps an address out for ten minutes at most.
    demand(soon(answers_stranger, 700), "the stranger's address is kept out for good")
    LAB.say(f"  the stranger's address is let in again after {time.monotonic() - began:.0f} s")


def fail2ban() -> None:
    """With `fail2ban`, a stranger who fails is shut out for a while; switched off, it is gone."""
    set_variables(ssh={"fail2ban": True})
    site()
    for _ in range(12):
        # The other limits would keep the stranger out before.
        on(VPS, WITHOUT_PENALTIES)
        from_stranger()
    is_banned = soon(lambda: STRANGER in on(VPS, "fail2ban-client status sshd"), 60)
    demand(is_banned, "nobody was banned")
    on(VPS, WITHOUT_PENALTIES)
    demand("Permission denied" not in from_stranger(), "the stranger is still heard")
    demand(gets_in(), "we are banned as well")
    set_variables()
    site()
    on(VPS, "systemctl is-active fail2ban", status=3)
    on(VPS, WITHOUT_PENALTIES)
    demand("Permission denied" in (heard := from_stranger()), f"the ban stays: {heard!r}")
    others_are_untouched()


def packages_anew() -> None:
    """Debian's packages are installed anew, as by an upgrade: all serve on, in their sandboxes."""
    on(
        VPS,
        """
        export DEBIAN_FRONTEND=noninteractive
        wanted='nginx* postgresql-[0-9]* openssh-server nftables'
        listed=$(dpkg-query -W -f '${Package} ${Status}\\n' $wanted)
        packages=$(awk '/ok installed/ {print $1}' <<< "$listed")
        apt-get update -qq
        apt-get install --reinstall -y -qq $packages > /dev/null
    """,
    )
    in_their_sandboxes('systemctl restart "$unit"; systemctl reload "$unit"')
    demand(soon(serves, 60), "the site does not answer")
    demand(gets_in() and "Permission denied" in by_password("deploy"), "SSH is not as it was")
    demand("No change" in site(), "a run has something to mend")
    others_are_untouched()


def own_certificate() -> None:
    """One's own: refused where it cannot serve, served where it can, and its end is told."""
    set_project(certificate={"certificate": "shop.pem", "key": "shop.key"})
    own = Own(LAB.site_directory, "shop.example")
    before = page().certificate
    wrong: dict[str, dict[str, Any]] = {
        "not for shop.example": {"names": ["other.example"]},
        "expired": {"begins": -20, "ends": -1},
        "password": {"password": b"pear"},
    }
    for words, given in wrong.items():
        own.write(**given)
        output = " ".join(site(status=2).split())
        demand(words in output and "Nothing was changed" in output, f"{words!r}: {output}")
    demand(page().certificate == before, "another certificate is served")
    ends = f"{datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=9):%Y-%m-%d}"
    own.write(begins=-80, ends=9)
    site()
    demand(page(own.authority).status == 200, "it is not served to who trusts its authority")
    on(VPS, "systemctl start espalier-certificate", status=1)
    told = LAB.espalier("status", status=None)
    demand(f"the certificate expires on {ends}" in told, told)
    own.write()
    site()
    on(VPS, "systemctl start espalier-certificate")
    demand(page(own.authority).status == 200, "the new one is not served")
    demand("expires on" not in LAB.espalier("status", status=None), "it is told though it is over")


def what_browsers_are_told() -> None:
    """HSTS, a policy to report, and HTTP/3 where Debian's nginx has it."""
    release = on(VPS, ". /etc/os-release; echo $VERSION_ID").strip()
    headers = page().headers
    for header in ("Strict-Transport-Security", "Content-Security-Policy-Report-Only", "Alt-Svc"):
        demand(header not in headers, f"{header} is sent though nobody asked for it")
    if release == "12":
        set_project(http3=True)
        output = " ".join(site(status=2).split())
        demand("http3" in output and "Nothing was changed" in output, output)
    set_project(hsts=True, csp="report", http3=release != "12")
    site()
    headers = page().headers
    demand(headers["Strict-Transport-Security"] == "max-age=63072000", str(headers))
    demand("report-uri /-/csp" in headers["Content-Security-Policy-Report-Only"], str(headers))
    report = {
        "csp-report": {"violated-directive": "img-src", "blocked-uri": "https://cdn.example/a"}
    }
    post = f"curl -sk -H 'Content-Type: application/csp-report' -d '{json.dumps(report)}'"
    on(
        VPS,
        f"""
        export DEBIAN_FRONTEND=noninteractive
        apt-get install -y -qq --no-install-recommends curl > /dev/null
        {post} --resolve shop.example:443:{VPS} https://shop.example/-/csp
    """,
    )
    would = "Content-Security-Policy would block: img-src"
    demand(soon(lambda: would in on(VPS, "journalctl -q --since -5min")), "no report is told")
    if release != "12":
        demand('h3=":443"' in headers["Alt-Svc"], str(headers))
        get = "curl -sk --http3-only -o /dev/null -w '%{http_version} %{http_code}'"
        answer = on(VPS, f"{get} --resolve shop.example:443:{VPS} https://shop.example/")
        demand(answer.split() == ["3", "200"], f"by HTTP/3: {answer}")


STEPS = (
    without_a_key,
    with_a_key,
    settings_that_lock_out,
    run_is_killed,
    machine_restarts,
    another_port,
    house_rules,
    attack,
    fail2ban,
    packages_anew,
    own_certificate,
    what_browsers_are_told,
)

if __name__ == "__main__":
    sys.exit(LAB.take(STEPS, prepare))
