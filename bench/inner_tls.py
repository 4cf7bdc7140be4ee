#!/usr/bin/env python3
"""Measure what TLS between nginx and Django costs a page, on an app machine of a lab.

    bench/inner_tls.py 198.18.15.13

On that machine a second nginx stands in front of its Django twice, as a web machine would: in the
clear, and by TLS with certificates on both sides and sessions resumed. Rounds of pages alternate.
Printed are milliseconds a page (medians), the ratio, and the processor's time of a page in nginx.
"""

from __future__ import annotations

import shlex
import sys

from bench.run import over_ssh
from espalier.wiring.authority import DIRECTORY, PROXY_NAME, TRUSTED

PAGES, ROUNDS = 200, 5
PLAIN, TLS = 8501, 8502
CONFIG = """
user www-data; worker_processes 1; daemon on; pid /tmp/inner/pid; error_log /tmp/inner/log;
events {}
http {
  access_log off;
  proxy_http_version 1.1; proxy_set_header Host $host; proxy_set_header Connection "";
  proxy_set_header X-Forwarded-Proto https;
  ssl_protocols TLSv1.3; ssl_certificate CERT.crt; ssl_certificate_key CERT.key;
  ssl_client_certificate TRUSTED; ssl_verify_client on; ssl_session_cache shared:machines:5m;
  proxy_ssl_protocols TLSv1.3; proxy_ssl_trusted_certificate TRUSTED; proxy_ssl_verify on;
  proxy_ssl_name NAME; proxy_ssl_certificate CERT.crt; proxy_ssl_certificate_key CERT.key;
  upstream django { server unix:SOCKET; }
  upstream plain { zone plain 64k; server 127.0.0.1:8503; }
  upstream tls { zone tls 64k; server 127.0.0.1:8504; }
  server { listen 127.0.0.1:PORT_PLAIN; location / { proxy_pass http://plain; } }
  server { listen 127.0.0.1:PORT_BY_TLS; location / { proxy_pass https://tls; } }
  server { listen 127.0.0.1:8503; location / { proxy_pass http://django; } }
  server { listen 127.0.0.1:8504 ssl; location / { proxy_pass http://django; } }
}
"""
ON_MACHINE = """
import glob, http.client, os, re, statistics, subprocess, sys, time
config, directory, *ports = sys.argv[1:3] + sys.argv[5:]
pages, rounds = map(int, sys.argv[3:5])
own = max(glob.glob(f"{directory}/*/machine.crt"), key=os.path.getmtime)[:-4]
live = open("/etc/nginx/nginx.conf").read()
socket = re.search(r"server unix:(\\S+) fail", live)[1]
environment = open(glob.glob("/etc/espalier/*/environment")[0]).read()
site = re.search(r'ALLOWED_HOSTS="([^",]+)', environment)[1]
config = config.replace("CERT", own).replace("SOCKET", socket)
os.makedirs("/tmp/inner", exist_ok=True)
open("/tmp/inner/conf", "w").write(config)
subprocess.run(["nginx", "-c", "/tmp/inner/conf"], check=True)
def cpu():
    master = open("/tmp/inner/pid").read().strip()
    worker = subprocess.check_output(["pgrep", "-P", master], text=True).split()[0]
    spent = open(f"/proc/{worker}/stat").read().rsplit(")", 1)[1].split()[11:13]
    return sum(map(float, spent)) / os.sysconf("SC_CLK_TCK")
try:
    time.sleep(1)
    times, spent = {p: [] for p in ports}, dict.fromkeys(ports, 0.0)
    for number in range(rounds + 1):
        for port in ports:
            begun, took = cpu(), []
            connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=30)
            for _ in range(pages):
                at = time.perf_counter()
                connection.request("GET", "/", headers={"Host": site})
                answer = connection.getresponse()
                answer.read()
                assert answer.status == 200, answer.status
                took.append(time.perf_counter() - at)
            if number:  # the first round warms up
                times[port].append(statistics.median(took) * 1000)
                spent[port] += cpu() - begun
    for port in ports:
        print(port, statistics.median(times[port]), spent[port] / pages / rounds * 1000)
finally:
    subprocess.run(["nginx", "-c", "/tmp/inner/conf", "-s", "stop"])
"""


def main() -> None:
    """Measure, and print the two ways and their ratio."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    words = {"NAME": PROXY_NAME, "TRUSTED": TRUSTED, "PORT_PLAIN": PLAIN, "PORT_BY_TLS": TLS}
    config = CONFIG
    for word, value in words.items():
        config = config.replace(word, str(value))
    arguments = [config, DIRECTORY, str(PAGES), str(ROUNDS), str(PLAIN), str(TLS)]
    command = shlex.join(["python3", "-c", ON_MACHINE, *arguments])
    lines = [line.split() for line in over_ssh(sys.argv[1], command).splitlines()]
    found = {int(port): (float(page), float(cpu)) for port, page, cpu in lines}
    for name, port in (("in the clear", PLAIN), ("by TLS", TLS)):
        print(f"{name:<14}{found[port][0]:7.2f} ms a page, {found[port][1]:.2f} ms of nginx's")
    print(f"{'ratio':<14}{found[TLS][0] / found[PLAIN][0]:7.2f}")


if __name__ == "__main__":
    main()
