"""More than one machine runs Django: what visitors get, and what they do not notice."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.infra.conftest import converge, posting

testinfra_hosts = ["ansible://django"]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)


@pytest.fixture(autouse=True)
def several(topology: Any) -> None:
    """Skip what only makes sense where Django runs elsewhere than where the traffic comes in."""
    if not topology["services"]["app_proxy"]:
        pytest.skip("Django runs only where the traffic comes in (no service app_proxy)")


@pytest.fixture
def orchard(project: str) -> None:
    """Skip what asks pages of the example project."""
    if project != "orchard":
        pytest.skip("asks pages of the example project")


@pytest.fixture
def remote(topology: Any, machine: Callable[[str], Any]) -> Any:
    """A machine whose Django is reached through its own nginx."""
    return machine(topology["services"]["app_proxy"][-1])


def where(site: Any, requests: int = 60) -> Counter[str]:
    """Ask which machine answers, often; gives how often each did."""
    connection, machines = site.connection(), Counter[str]()
    for _ in range(requests):
        connection.request(
            "GET", "/where/", headers={"Host": site.domain, "Accept": "application/json"}
        )
        machines[json.loads(connection.getresponse().read())["machine"]] += 1
    return machines


def wait_for(what: str, happened: Callable[[], Any], seconds: float = 60) -> None:
    """Wait until something is so; fail with ``what`` it was if it is not."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"waited {seconds:g} s in vain for {what}"
        time.sleep(0.5)


def log_entry(host: Any, marker: str) -> dict[str, Any]:
    """Find the line of a request in a machine's access log."""
    find = "grep -h %s /var/log/nginx/access.log"
    wait_for(f"{marker} in the log", lambda: host.run(find, marker).rc == 0, 20)
    return json.loads(host.run(find, marker).stdout.splitlines()[0])


def python(host: Any, project: str, code: str) -> str:
    """Run code in the live release of a machine, as its user and with its environment."""
    root = f"/srv/{project}"
    script = (
        f"export HOME={root}; set -a; . /etc/espalier/{project}/environment; "
        f". {root}/current/release.env; set +a; "
        f"cd {root}/current/code && exec setpriv --reuid={project} --regid={project} "
        f"--clear-groups {root}/current/venv/bin/python -c %s"
    )
    return host.check_output(script, f"import django; django.setup()\n{code}")


def upload(site: Any, tree: int) -> str:
    """Send a photo of a tree, as a browser does; gives its URL."""
    border = uuid.uuid4().hex
    disposition = 'Content-Disposition: form-data; name="photo"; filename="tree.png"'
    head = f"--{border}\r\n{disposition}\r\nContent-Type: image/png\r\n\r\n".encode()
    body = head + PNG + f"\r\n--{border}--\r\n".encode()
    with posting(site, f"/trees/{tree}/photo/") as post:
        response = post(body, f"multipart/form-data; boundary={border}")
    assert response.status == 302, response.status
    page = site.get(f"/trees/{tree}/")[1].decode()
    found = re.search(rf'src="([^"]*/trees/{tree}-[^"]+\.png)"', page)
    assert found, "the tree's page shows no photo"
    return found[1]


def test_requests_are_spread_over_the_machines(site: Any, topology: Any, orchard: None) -> None:
    answered = where(site)
    assert set(answered) == set(topology["services"]["django"])
    assert min(answered.values()) >= 60 / len(answered) / 4, answered


def test_visitor_s_address_and_request_id_pass_through_both_machines(
    site: Any, machine: Any, topology: Any, orchard: None
) -> None:
    marker = uuid.uuid4().hex
    for number in range(20):
        site.get(f"/?marker={marker}-{number}", X_Forwarded_For="192.0.2.1", X_Real_IP="192.0.2.1")
    find = f"{marker}-"
    web = machine(topology["services"]["nginx"][0])
    app = machine(topology["services"]["app_proxy"][0])
    inner = log_entry(app, find)
    outer = log_entry(web, inner["uri"].split("marker=")[1] + '"')
    assert (
        inner["client"]
        == outer["client"]
        != topology["machines"][topology["services"]["nginx"][0]]["address"]
    )
    assert inner["client"] != "192.0.2.1"
    assert inner["uri"] == outer["uri"]


def test_every_django_knows_that_the_visitor_came_over_https(site: Any, orchard: None) -> None:
    # Only on HTTPS does Django want to know from where a form was sent.
    page = "/trees/1/note/"
    cookie = site.get(page)[0].headers["Set-Cookie"].split(";")[0]
    token = cookie.split("=")[1]
    for _ in range(20):
        response, body = site.get(page, method="POST", Cookie=cookie, X_CSRFToken=token)
        assert (response.status, b"no Referer" in body or b"CSRF" in body) == (403, True)


# Prints the status of what an URL answers; on the machine itself, no firewall is in between.
STATUS = """
import ssl, sys, urllib.error, urllib.request as u
asked = u.Request(sys.argv[1], headers={"X-Real-IP": "127.0.0.1"})
try: print(u.urlopen(asked, context=ssl._create_unverified_context()).status)
except urllib.error.HTTPError as error: print(error.code)
"""


def test_machines_elsewhere_answer_web_machines_only(topology: Any, machine: Any) -> None:
    for name in topology["services"]["app_proxy"]:
        for endpoint in topology["machines"][name]["listens"]["app_proxy"]:
            url = f"https://{endpoint['address']}:{endpoint['port']}/"
            assert machine(name).check_output("python3 -c %s %s", STATUS, url) == "403"


def test_web_machine_without_its_certificate_is_not_answered(topology: Any, machine: Any) -> None:
    for link in topology["links"]:
        source, target = link["source"], link["target"]
        if (source["service"], target["service"]) == ("nginx", "app_proxy"):
            url = f"https://{link['address']}:{link['port']}/"
            status = machine(source["machine"]).check_output("python3 -c %s %s", STATUS, url)
            assert status == "403", link


@pytest.mark.breaks
def test_machine_with_another_certificate_is_given_no_request(
    site: Any, remote: Any, topology: Any, uninterrupted: Any, inventory_path: str, is_lab: bool
) -> None:
    """Who answers at its address is not believed to be it: neither a page nor a form goes there."""
    if not is_lab:
        pytest.skip("spoils a machine's configuration: only in a lab")
    if len(topology["services"]["django"]) < 2:
        pytest.skip("one machine runs Django, so none can take over")
    name = remote.check_output("hostname")
    remote.check_output(
        "cd /tmp && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 "
        "-subj /CN=other -addext subjectAltName=DNS:django.espalier.internal "
        "-keyout other.key -out other.crt 2>/dev/null && install -m 600 -t /etc/nginx other.*"
    )
    change = r"s#/etc/espalier/tls/[0-9a-f]*/machine[.]#/etc/nginx/other.#"
    remote.check_output("sed -i %s /etc/nginx/nginx.conf && nginx -t && nginx -s reload", change)
    try:
        wait_for(f"nothing to go to {name}", lambda: name not in where(site, 20), 20)
        assert name not in where(site)
    finally:
        remote.check_output("rm -f /etc/nginx/other.* /tmp/other.*")
        converge(inventory_path, "--tags", "nginx")
    wait_for(f"{name} to answer again", lambda: name in where(site, 20))


def test_media_store_answers_neither_other_clients_nor_machines_without_the_token(
    topology: Any, machine: Any
) -> None:
    store = topology["services"]["media"][0]
    (endpoint,) = topology["machines"][store]["listens"]["media"]
    url = f"http://{endpoint['address']}:{endpoint['port']}/"
    assert machine(store).check_output("python3 -c %s %s", STATUS, url) == "403"
    client = next(name for name in topology["services"]["media_tunnel"] if name != store)
    (entrance,) = topology["machines"][client]["listens"]["media_tunnel"]
    url = f"http://{entrance['address']}:{entrance['port']}/"
    assert machine(client).check_output("python3 -c %s %s", STATUS, url) == "403"


def test_media_store_runs_as_the_project_s_user_only(
    topology: Any, machine: Any, project: str
) -> None:
    store = machine(topology["services"]["media"][0])
    main = store.check_output("systemctl show --property MainPID --value espalier-media")
    users = store.check_output("ps -o user= --pid %s --ppid %s", main, main).split()
    assert users == [project] * 3  # the master and its two workers


@pytest.mark.breaks
def test_media_store_gives_nobody_s_directory_to_the_project_s_user(
    topology: Any, machine: Any, project: str, inventory_path: str
) -> None:
    """The directory of temporary files is among the uploads: their user may put a link there."""
    store = machine(topology["services"]["media"][0])
    receiving, secret = f"/srv/{project}/media/.receiving", "/srv/espalier-probe"
    as_user = f"runuser -u {project} --"

    def owners() -> list[str]:
        return store.check_output(f"stat -c %U {secret} /var/lib/nginx/proxy").split()

    store.check_output(f"mkdir -m 700 {secret} && {as_user} rm -rf {receiving}")
    try:
        store.check_output(f"{as_user} ln -s {secret} {receiving}")
        store.check_output("systemctl restart espalier-media")
        assert owners() == ["root", "www-data"]
        # A run tests the configuration before nginx reads it.
        store.check_output("echo >> /etc/espalier/media.conf")
        assert "Reload the media store" in converge(inventory_path, "--tags", "media")
        assert owners() == ["root", "www-data"]
    finally:
        store.check_output(f"rm -f {receiving} && rmdir {secret}")
        store.check_output("systemctl restart espalier-media")
    assert store.check_output(f"stat -c %U {receiving}") == project


def test_static_files_are_on_every_machine(site: Any, topology: Any, machine: Any) -> None:
    page = site.get("/")[1].decode()
    path = re.search(r'href="(/[^"]*\.[0-9a-f]{12}\.css)"', page)
    assert path
    response, content = site.get(path[1])
    assert response.status == 200
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    for header in ("X-Content-Type-Options", "Cache-Control"):
        assert len(response.headers.get_all(header, [])) == 1, header
    name = path[1].split("/static/")[-1]
    for django in topology["services"]["django"]:
        found = machine(django).run("cat /srv/*/static/%s", name)
        assert found.stdout.strip() == content.decode().strip(), django


def test_upload_is_seen_by_every_machine(
    site: Any, topology: Any, machine: Any, project: str, orchard: None, is_lab: bool
) -> None:
    if not is_lab:
        pytest.skip("uploads a photo: only in a lab")
    for tree in (1, 2, 3, 4):  # by several machines, by and by
        url = upload(site, tree)
        response, body = site.get(url)
        assert (response.status, body) == (200, PNG)
        assert response.headers["Content-Security-Policy"].startswith("script-src 'none'")
        assert len(response.headers.get_all("X-Content-Type-Options")) == 1
        code = (
            f"from garden.models import Tree\nprint(Tree.objects.get(pk={tree}).photo.read().hex())"
        )
        for django in topology["services"]["django"]:
            assert python(machine(django), project, code) == PNG.hex(), django


def test_visitors_can_neither_change_uploads_nor_list_them(site: Any) -> None:
    for method in ("PUT", "DELETE", "MOVE", "MKCOL"):
        assert site.get("/media/x.txt", method=method)[0].status in (403, 405), method
    assert site.get("/media/")[0].status in (403, 404)
    assert site.get("/media/.incoming/x")[0].status == 404


@pytest.mark.breaks
@pytest.mark.parametrize("part", ["nginx", "gunicorn"])
def test_machine_that_stops_is_not_noticed(
    site: Any, remote: Any, project: str, topology: Any, uninterrupted: Any, part: str, is_lab: bool
) -> None:
    if not is_lab:
        pytest.skip("stops a machine's service: only in a lab")
    if len(topology["services"]["django"]) < 2:
        pytest.skip("one machine runs Django, so none can take over")
    name = remote.check_output("hostname")
    unit = "nginx"
    if part == "gunicorn":
        slots = [f"{project}-web@{slot}" for slot in ("blue", "green")]
        unit = next(slot for slot in slots if remote.service(slot).is_running)
    remote.check_output("systemctl stop %s", unit)
    try:
        assert name not in where(site)
    finally:
        remote.check_output("systemctl start %s", unit)
    wait_for(f"{name} to answer again", lambda: name in where(site, 20))


CONNECT = """
from django.db import connection
known = connection.get_connection_params()
for name in ("cursor_factory", "context"):
    known.pop(name, None)
said = []
for changes in (
    {},
    {"sslrootcert": "/etc/ssl/certs/ca-certificates.crt"},
    {"host": "another.example", "hostaddr": known["host"]},
):
    try:
        connection.Database.connect(**{**known, **changes}).close()
        said.append("connected")
    except connection.Database.OperationalError as error:
        said.append(str(error).replace("\\n", " "))
print(*said, sep="\\n")
"""


def test_django_talks_to_the_site_s_own_database_and_to_no_other(remote: Any, project: str) -> None:
    as_it_is, other_authority, other_name = python(remote, project, CONNECT).splitlines()[-3:]
    assert as_it_is == "connected"
    assert "certificate verify failed" in other_authority
    assert "does not match host name" in other_name
