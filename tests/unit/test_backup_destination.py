"""The module that tries the destination of the backups: what it says, and what it leaves there."""

from __future__ import annotations

import http.client
import http.server
import json
import shutil
import socket
import threading
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any, NamedTuple

import pytest
from ansible.module_utils.testing import patch_module_args

from plugins.modules import backup_destination as destination

SECRETS = {"access_key": "AKIAIOSFODNN7EXAMPLE", "secret_key": "wJalrXUtnFEMI/K7MDENG"}
MD5 = "z8ojqO1ydT3gvfOibQTW0A=="  # of what is written, in base64
# Of the examples that AWS publishes, and the digest of no content.
KEYS = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class Reply(NamedTuple):
    """What the service answers in place of what it would."""

    status: int
    code: str = ""
    more: str = ""
    headers: Mapping[str, str] = {}


class Service(http.server.ThreadingHTTPServer):
    """A service that speaks S3's language, on loopback."""

    def __init__(self) -> None:
        """Have an empty bucket."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.objects: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.replies: dict[str, Reply] = {}
        self.headers: dict[str, str] = {}
        self.skew = 0

    @property
    def endpoint(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_port}"

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Settings that lead there."""
        known = {"to": "s3", "bucket": "shop-backups", "endpoint": self.endpoint}
        return {**known, "region": "eu-central-1", "path": "/shop/live", **changes}

    def problem(self, **changes: Any) -> str:
        """Try it; gives the sentence with a name for host and port."""
        return attempt(self.settings(**changes))[0].replace(self.endpoint, "s3.example.com")


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers a request."""

    server: Service

    def answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] = {}) -> None:
        """Send an answer."""
        self.send_response_only(status)
        self.send_header("Date", formatdate(time() + self.server.skew, usegmt=True))
        self.send_header("Content-Length", str(len(body)))
        for name, value in {**self.server.headers, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def handle_request(self) -> None:
        """Keep an object, give it, or delete it."""
        store, path = self.server.objects, self.path
        name = path.rpartition("/")[2]
        self.server.requests.append(f"{self.command} {name.partition('-try-')[0]}")
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if reply := self.server.replies.get(self.command):
            body = f"<Error><Code>{reply.code}</Code>{reply.more}</Error>" if reply.code else "<p>"
            self.answer(reply.status, body.encode(), reply.headers)
        elif self.command == "PUT" and self.headers["Content-MD5"] != MD5:
            self.answer(400)
        elif self.command == "PUT":
            store[path] = content
            self.answer(200)
        elif self.command == "DELETE":
            store.pop(path, None)
            self.answer(204)
        elif path in store:
            self.answer(200, store[path])
        else:
            self.answer(404)

    do_GET = do_HEAD = do_PUT = do_DELETE = handle_request

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def attempt(
    settings: dict[str, Any], secrets: dict[str, str] = SECRETS, scheme: str = "http"
) -> tuple[str, dict[str, Any]]:
    """Try a destination; gives the problem and what else was seen."""
    seen = {"clock_skew": None, "has_backups": False, "free_bytes": None}
    more = {"scheme": scheme} if settings["to"] == "s3" else {}
    try:
        destination.TRIALS[settings["to"]](settings, secrets, "shop", seen, **more)
    except destination.Problem as error:
        return str(error), seen
    return "", seen


@pytest.fixture
def service() -> Iterator[Service]:
    """Have a service that runs."""
    with Service() as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("method", "target", "headers", "signature"),
    [
        (
            "GET",
            "/test.txt",
            {"range": "bytes=0-9", "x-amz-content-sha256": EMPTY},
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test%24file.text",
            {
                "date": "Fri, 24 May 2013 00:00:00 GMT",
                "x-amz-storage-class": "REDUCED_REDUNDANCY",
                # Of "Welcome to Amazon S3."
                "x-amz-content-sha256": "44ce7dd67c959e0d3524ffac1771dfbb"
                "a87d2b6b4b4e99e42034a8b803f8b072",
            },
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET",
            "/?lifecycle=",
            {"x-amz-content-sha256": EMPTY},
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET",
            "/?max-keys=2&prefix=J",
            {"x-amz-content-sha256": EMPTY},
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_requests_are_signed_as_in_the_examples_of_aws(
    method: str, target: str, headers: dict[str, str], signature: str
) -> None:
    headers = {**headers, "host": "examplebucket.s3.amazonaws.com"}
    headers["x-amz-date"] = "20130524T000000Z"
    assert destination.authorization(method, target, headers, KEYS, "us-east-1") == (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={';'.join(sorted(headers))},Signature={signature}"
    )


def test_a_bucket_that_works_is_left_as_it_was(service: Service) -> None:
    problem, seen = attempt(service.settings())
    assert problem == ""
    assert service.requests == [
        "HEAD backup.info",
        "PUT espalier",
        "GET espalier",
        "DELETE espalier",
    ]
    assert service.objects == {}
    assert abs(seen.pop("clock_skew")) < 2
    assert seen == {"has_backups": False, "free_bytes": None}


def test_backups_of_the_site_are_found(service: Service) -> None:
    service.objects["/shop-backups/shop/live/database/backup/shop/backup.info"] = b"[backup]"
    assert attempt(service.settings())[1]["has_backups"] is True
    assert attempt(service.settings(path="/shop/test"))[1]["has_backups"] is False


def test_amazon_has_the_bucket_in_the_host_and_others_have_it_in_the_path() -> None:
    settings = {"bucket": "b", "region": "eu-west-1", "path": "/shop", "endpoint": ""}
    amazon = {**settings, "endpoint": "s3.eu-west-1.amazonaws.com"}
    assert destination.Bucket(amazon, SECRETS).host == "b.s3.eu-west-1.amazonaws.com"
    other = {**settings, "endpoint": "s3.example.com:9000"}
    assert destination.Bucket(other, SECRETS).host == "s3.example.com:9000"


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (
            Reply(404, "NoSuchBucket"),
            "There is no bucket shop-backups at s3.example.com. Make it there, or write one that "
            "exists as `bucket` of `backup` in hosts.yml.",
        ),
        (
            Reply(403, "InvalidAccessKeyId"),
            "s3.example.com does not know the access key of the backups. Write one that it has "
            "given you into .secrets/backup_access_key beside hosts.yml (in a vault: "
            "vault_backup_access_key).",
        ),
        (
            Reply(403, "SignatureDoesNotMatch", "<StringToSign>AWS4-HMAC…</StringToSign>"),
            "s3.example.com says that the secret key of the backups does not fit their access key. "
            "Write the one that you were given together with the access key into "
            ".secrets/backup_secret_key beside hosts.yml (in a vault: vault_backup_secret_key).",
        ),
        (
            Reply(403, "AccessDenied", "<Message>Access &lt;Denied&gt;</Message>"),
            "The access key of the backups may not write s3://shop-backups/shop/live/* at "
            "s3.example.com (403 AccessDenied Access <Denied>). Allow it s3:PutObject there, or "
            "write another key into .secrets/backup_access_key beside hosts.yml (in a vault: "
            "vault_backup_access_key), with its secret key.",
        ),
        (
            Reply(403, "RequestTimeTooSkewed"),
            "The clock of this machine differs from that of s3.example.com. From 15 minutes on, S3 "
            "refuses every request (RequestTimeTooSkewed). Let the machine take the time from the "
            "network: `apt install systemd-timesyncd` and `timedatectl set-ntp true` there.",
        ),
        (
            Reply(403, "QuotaExceeded", "<Message>10 GB</Message>"),
            "The bucket shop-backups at s3.example.com takes no more (403 QuotaExceeded 10 GB). "
            "Make room or raise its limit there, or write another as `bucket` of `backup` in "
            "hosts.yml.",
        ),
        (
            Reply(507),
            "The bucket shop-backups at s3.example.com takes no more (507). Make room or raise its "
            "limit there, or write another as `bucket` of `backup` in hosts.yml.",
        ),
        (
            Reply(400, "AuthorizationHeaderMalformed", "<Region>fr-par</Region>"),
            "The bucket shop-backups is in the region fr-par, and `backup` in hosts.yml has "
            "`region: eu-central-1` and `endpoint: s3.example.com`. Write `region: fr-par` there.",
        ),
        (
            Reply(301, "PermanentRedirect", "<Endpoint>other.example.com</Endpoint>"),
            "s3.example.com sends elsewhere for the bucket shop-backups (301 PermanentRedirect "
            "other.example.com). Write the host that has the bucket as `endpoint` of `backup` in "
            "hosts.yml, and its `region`.",
        ),
        (
            Reply(503, "SlowDown"),
            "s3.example.com cannot do its work right now (503 SlowDown). Run this again in a few "
            "minutes; if it stays so, ask who runs that service.",
        ),
        (
            Reply(405),
            "What answers at s3.example.com is no S3 service (HTTP status 405). Write the host of "
            "one as `endpoint` of `backup` in hosts.yml.",
        ),
        (
            Reply(400, "InvalidRequest", "<Message>Not\n this</Message>"),
            "s3.example.com does not write s3://shop-backups/shop/live/* (400 InvalidRequest Not "
            "this). Check `backup` in hosts.yml against what that service says of its buckets.",
        ),
    ],
)
def test_what_a_service_refuses_is_said_in_a_sentence(
    service: Service, reply: Reply, sentence: str
) -> None:
    service.replies = {"HEAD": reply, "PUT": reply}
    assert service.problem() == sentence


def test_the_region_that_amazon_names_is_to_be_written_with_its_endpoint() -> None:
    bucket = destination.Bucket(
        {"bucket": "b", "region": "us-east-1", "path": "/s", "endpoint": "s3.amazonaws.com"},
        SECRETS,
    )
    headers = http.client.HTTPMessage()
    headers["x-amz-bucket-region"] = "eu-west-3"
    answer = destination.Answer(301, headers, b"<Code>PermanentRedirect</Code>")
    assert str(bucket.refusal("PUT", answer)) == (
        "The bucket b is in the region eu-west-3, and `backup` in hosts.yml has `region: "
        "us-east-1` and `endpoint: s3.amazonaws.com`. Write `region: eu-west-3` and `endpoint: "
        "s3.eu-west-3.amazonaws.com` there."
    )


def test_an_object_that_cannot_be_read_is_deleted_all_the_same(service: Service) -> None:
    service.replies["GET"] = Reply(403, "AccessDenied")
    assert "may not read s3://shop-backups/shop/live/*" in service.problem()
    assert service.objects == {}


def test_who_gives_back_something_else_is_told(service: Service) -> None:
    service.replies["GET"] = Reply(200)
    assert service.problem() == (
        "s3.example.com gives back something else than was written to it. Check `endpoint` of "
        "`backup` in hosts.yml."
    )
    assert service.objects == {}


def test_a_key_that_may_not_delete_or_list_is_told(service: Service) -> None:
    service.replies["HEAD"] = Reply(403)
    found = service.problem()
    assert "may not look for s3://shop-backups/shop/live/*" in found
    assert "Allow it s3:ListBucket and s3:GetObject there" in found
    service.replies = {"DELETE": Reply(403, "AccessDenied")}
    assert "Allow it s3:DeleteObject there" in service.problem()


def test_a_bucket_that_keeps_versions_keeps_none_of_it(service: Service) -> None:
    service.headers["x-amz-version-id"] = "v/1"
    assert service.problem() == ""
    assert service.requests[3:] == ["DELETE espalier"] * 3


@pytest.mark.parametrize(
    ("skew", "how"), [(120, "120 s behind"), (-90, "90 s ahead of"), (5000, "5000 s behind")]
)
def test_a_clock_that_differs_is_told(service: Service, skew: int, how: str) -> None:
    service.skew = skew
    problem, seen = attempt(service.settings())
    said, _, _ = problem.partition(" that of ")
    seconds = int(how.split()[0])
    nearby = [how.replace(str(seconds), str(seconds + d)) for d in (-1, 0, 1)]
    assert said in [f"The clock of this machine is {one}" for one in nearby]
    assert abs(seen["clock_skew"] - skew) < 2
    assert service.objects == {}


def test_far_from_the_right_time_the_clock_is_told_whatever_the_service_says(
    service: Service,
) -> None:
    service.skew = 1200
    service.replies["PUT"] = Reply(400, "AccessDenied")
    assert service.problem().startswith("The clock of this machine is 1")


def test_a_minute_is_no_problem(service: Service) -> None:
    service.skew = 50
    assert service.problem() == ""


def test_nothing_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"127.0.0.1:{listener.getsockname()[1]}"
    settings = {"to": "s3", "bucket": "b", "region": "r", "path": "/s", "endpoint": endpoint}
    assert attempt(settings, scheme="https") == (
        f"Nothing listens at {endpoint}. Check `endpoint` of `backup` in hosts.yml.",
        {"clock_skew": None, "has_backups": False, "free_bytes": None},
    )


def test_nothing_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destination, "TIMEOUT", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        endpoint = f"127.0.0.1:{listener.getsockname()[1]}"
        settings = {"to": "s3", "bucket": "b", "region": "r", "path": "/s", "endpoint": endpoint}
        for scheme in ("http", "https"):
            assert attempt(settings, scheme=scheme)[0] == (
                f"{endpoint} does not answer within 15 s. Check `endpoint` of `backup` in "
                "hosts.yml, and whether a firewall on the way lets this machine through."
            )


def test_what_is_not_encrypted_is_told(service: Service) -> None:
    assert attempt(service.settings(), scheme="https")[0] == (
        f"{service.endpoint} does not answer HTTPS. Write a host, and perhaps a port, that does as "
        "`endpoint` of `backup` in hosts.yml."
    )


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("[Errno -2] Name or service not known", "This machine cannot resolve the name of S (W)."),
        ("ssh: … Temporary failure in name resolution", "This machine cannot resolve the name of"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed", "This machine does not trust the cert"),
        ("[SSL: CERTIFICATE_VERIFY_FAILED] Hostname mismatch", "The certificate of S is for anoth"),
        ("connect: Network is unreachable", "S cannot be reached from this machine (W). C."),
        ("Connection reset by peer", "There is no connection with S (W). C."),
    ],
)
def test_why_there_is_no_connection(said: str, sentence: str) -> None:
    found = destination.problem_of(destination.UNREACHABLE, said, server="S", check="C", words="W")
    assert str(found).startswith(sentence)


@pytest.mark.parametrize("value", ["", "with space", "line\nbreak"])
def test_a_key_that_is_none_is_never_sent(value: str) -> None:
    settings = {"to": "s3", "endpoint": "s3.example.com"}
    assert attempt(settings, {"access_key": "AKIA", "secret_key": value})[0] == (
        "backup_secret_key is missing, or has characters that no such key has. Write the one that "
        "s3.example.com has given you into .secrets/backup_secret_key beside hosts.yml (in a "
        "vault: vault_backup_secret_key)."
    )


class SftpServer:
    """Stands for the programs of OpenSSH, and says what OpenSSH 9.2 says."""

    def __init__(self, *directories: str) -> None:
        """Have some directories in which may be written."""
        self.directories, self.may_delete = set(directories), True
        self.files: dict[str, bytes] = {}
        self.refused = ""
        self.df = (
            "        Size         Used        Avail       (root)    %Capacity\n"
            "   264212084     27656904     78734008    236555180          10%\n"
        )

    def run(self, argv: list[str], text: str = "") -> tuple[int, str]:
        """Run a program, as the module does."""
        if argv[0] == "ssh-keygen":
            return 0, "ssh-ed25519 AAAAnew root@vm"
        if argv[0] == "ssh-keyscan":
            comment = "# [h]:23 SSH-2.0-OpenSSH_9.2\n"
            return 0, f"{comment}[h]:23 ssh-rsa AAAArsa\n{comment}[h]:23 ssh-ed25519 AAAAshown\n"
        if self.refused:
            return 255, self.refused
        lines = [line.removeprefix("-") for line in text.splitlines()]
        return 0, "".join(f"sftp> -{line}\n{self.reply(*line.split())}" for line in lines)

    def reply(self, command: str, *words: str) -> str:
        """Do what one line of a batch says."""
        name = words[-1].strip('"') if words else ""
        parent = name.rpartition("/")[0]
        match command:
            case "pwd":
                return "Remote working directory: /home/u1\n"
            case "mkdir" if name in self.directories or parent not in self.directories:
                return f'remote mkdir "{name}": Failure\n'
            case "mkdir":
                self.directories.add(name)
            case "put" if parent not in self.directories:
                return f'dest open "{name}": No such file or directory\n'
            case "put":
                self.files[name] = Path(words[0].strip('"')).read_bytes()
            case "get" if words[0].strip('"') not in self.files:
                return f"File {words[0]} not found.\n"
            case "get":
                Path(name).write_bytes(self.files[words[0].strip('"')])
            case "rm" if not self.may_delete:
                return f'remote delete "{name}": Permission denied\n'
            case "rm":
                self.files.pop(name, None)
            case "ls":
                found = name in self.files
                return f"{name}\n" if found else f'Can\'t ls: "{name}" not found\n'
            case "df":
                return self.df
            case "rmdir" if not any(
                one.startswith(f"{name}/") for one in {*self.files, *self.directories}
            ):
                self.directories.discard(name)
        return ""

    def attempt(self, monkeypatch: pytest.MonkeyPatch) -> tuple[str, dict[str, Any]]:
        """Try it."""
        monkeypatch.setattr(destination, "run", self.run)
        monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
        settings = {"to": "sftp", "host": "h", "user": "u1", "port": 23, "path": "/a/b/c"}
        return attempt({**settings, "host_key": "ssh-ed25519 AAAA"}, {"ssh_key": "-----BEGIN"})


def test_an_sftp_server_that_works_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    server = SftpServer("/a")
    assert server.attempt(monkeypatch) == (
        "",
        {"clock_skew": None, "has_backups": False, "free_bytes": 80623624192},
    )
    assert server.directories == {"/a"}
    assert server.files == {}


def test_a_directory_that_was_there_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    server = SftpServer("/a", "/a/b", "/a/b/c")
    server.files["/a/b/c/database/backup/shop/backup.info"] = b"[backup]"
    server.df = "Server does not support statvfs@openssh.com extension\n"
    assert server.attempt(monkeypatch) == (
        "",
        {"clock_skew": None, "has_backups": True, "free_bytes": None},
    )
    assert server.directories == {"/a", "/a/b", "/a/b/c"}


def test_an_sftp_server_where_one_cannot_write(monkeypatch: pytest.MonkeyPatch) -> None:
    assert SftpServer("/other").attempt(monkeypatch)[0] == (
        "The user u1 cannot write in /a/b/c at h:23 (No such file or directory). Write a `path` "
        "into `backup` in hosts.yml where that user may write (a login begins in /home/u1), or let "
        "the user write there, and see that the disk is not full."
    )


def test_an_sftp_server_where_one_cannot_delete(monkeypatch: pytest.MonkeyPatch) -> None:
    server = SftpServer("/a")
    server.may_delete = False
    found = server.attempt(monkeypatch)[0]
    (left,) = server.files
    assert found == (
        "The user u1 cannot delete in /a/b/c at h:23, so that old backups would stay for ever. Let "
        f"the user delete there; and delete {left} yourself."
    )


@pytest.mark.parametrize(
    ("refused", "sentence"),
    [
        (
            "u1@h: Permission denied (publickey,password).\nConnection closed.",
            "h:23 does not let the user u1 in with the SSH key of the backups. Add this line to "
            ".ssh/authorized_keys of that user there, or correct `user` of `backup` in hosts.yml: "
            "ssh-ed25519 AAAAnew espalier-backup",
        ),
        (
            "@@@@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @@@@\n"
            "Host key verification failed.\nConnection closed",
            "h:23 does not show the key that is `host_key` of `backup` in hosts.yml. It shows "
            "ssh-ed25519 AAAAshown now. Compare that with what its provider says: if both are the "
            "same, write it as `host_key`; if not, somebody else answers there.",
        ),
        (
            "subsystem request failed on channel 0\nConnection closed",
            "h:23 lets the user u1 in, and offers no SFTP. Turn SFTP on there (`Subsystem sftp "
            "internal-sftp` in its sshd_config), or write another `host` into `backup` in "
            "hosts.yml.",
        ),
        (
            "ssh: connect to host h port 23: Connection refused\nConnection closed",
            "Nothing listens at h:23. Check `host` and `port` of `backup` in hosts.yml.",
        ),
        (
            "Connection timed out during banner exchange\nConnection closed",
            "h:23 does not answer within 15 s. Check `host` and `port` of `backup` in hosts.yml, "
            "and whether a firewall on the way lets this machine through.",
        ),
        (
            "Connection closed by 192.0.2.1 port 23\nConnection closed.",
            "There is no connection with h:23 (Connection closed by 192.0.2.1 port 23). Check "
            "`host` and `port` of `backup` in hosts.yml.",
        ),
    ],
)
def test_why_an_sftp_server_lets_nobody_in(
    monkeypatch: pytest.MonkeyPatch, refused: str, sentence: str
) -> None:
    server = SftpServer()
    server.refused = refused
    assert server.attempt(monkeypatch)[0] == sentence


def test_an_sftp_server_without_its_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert attempt({"to": "sftp"})[0] == (
        "This machine has no program `sftp`, which `to: sftp` of `backup` in hosts.yml needs. Run "
        "`apt install openssh-client` there."
    )


def test_an_ssh_key_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    server = SftpServer()
    monkeypatch.setattr(server, "run", lambda argv, text="": (255, 'Load key "…": invalid format'))
    assert server.attempt(monkeypatch)[0] == (
        "backup_ssh_key is no private key that OpenSSH reads, or has a passphrase. Write one "
        "without into .secrets/backup_ssh_key beside hosts.yml (in a vault: vault_backup_ssh_key); "
        "or remove it there, and the next run makes one."
    )


def test_a_program_that_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destination, "SFTP_TIMEOUT", 0.2)
    argv = ["sh", "-c", "echo one; echo two >&2; exec sleep 60"]
    assert destination.run(argv) == (-1, "one\ntwo\n\ntimed out")


def test_a_machine_that_keeps_the_backups_itself(tmp_path: Path) -> None:
    kept = tmp_path / "shop/live"
    problem, seen = attempt({"to": "machine", "path": str(kept)})
    assert problem == ""
    assert seen["free_bytes"] == pytest.approx(shutil.disk_usage(tmp_path).free, abs=10**9)
    assert seen["has_backups"] is False
    assert list(tmp_path.iterdir()) == []
    (kept / "database/backup/shop").mkdir(parents=True)
    (kept / "database/backup/shop/backup.info").touch()
    assert attempt({"to": "machine", "path": str(kept)})[1]["has_backups"] is True


def test_a_machine_without_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=400_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert attempt({"to": "machine", "path": f"{tmp_path}/shop"}) == (
        f"This machine is to keep the backups in {tmp_path}/shop, and has 0.4 GB free in "
        f"{tmp_path}. Make room for at least 1 GB, or put another machine into the group `backup` "
        "of hosts.yml.",
        {"clock_skew": None, "has_backups": False, "free_bytes": 400_000_000},
    )


def test_a_machine_that_cannot_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destination, "trial_name", lambda path: f"{path}/absent/file")
    assert attempt({"to": "machine", "path": f"{tmp_path}/shop"})[0] == (
        f"This machine is to keep the backups in {tmp_path}/shop, and cannot write in {tmp_path} "
        "(No such file or directory). Have its disk repaired, or mounted for writing, or put "
        "another machine into the group `backup` of hosts.yml."
    )


def test_secrets_are_hidden_in_what_is_returned(capsys: pytest.CaptureFixture[str]) -> None:
    settings = {"to": "s3", "endpoint": "AKIA.invalid:x", "bucket": "b", "path": "/s"}
    arguments = {
        "settings": {**settings, "region": "r"},
        "secrets": {"access_key": "AKIA", "secret_key": "s3cr3t"},
        "stanza": "shop",
    }
    with patch_module_args(arguments), pytest.raises(SystemExit):
        destination.main()
    returned = json.loads(capsys.readouterr().out)
    del returned["invocation"]
    assert returned == {
        "changed": False,
        "problem": "There is no connection with ********.invalid:x (nonnumeric port: 'x'). Check "
        "`endpoint` of `backup` in hosts.yml.",
        "clock_skew": None,
        "has_backups": False,
        "free_bytes": None,
    }
