"""A bucket is tried: how it is asked, what it refuses, and that nothing stays there."""

from __future__ import annotations

import http.client

import pytest

from plugins.module_utils.backup_destination import s3
from tests.unit.backup_destination.service import SECRETS, Reply, Service, attempt

# Of the examples that AWS publishes, and the digest of no content.
KEYS = ("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


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
    assert s3.authorization(method, target, headers, KEYS, "us-east-1") == (
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
    assert seen == {"has_backups": False, "info_begins": "", "free_bytes": None}


def test_backups_of_the_site_are_found(service: Service) -> None:
    service.objects["/shop-backups/shop/live/database/backup/shop/backup.info"] = b"[backup]"
    seen = attempt(service.settings())[1]
    assert (seen["has_backups"], seen["info_begins"]) == (True, "W2JhY2t1cF0=")
    assert attempt(service.settings(path="/shop/test"))[1]["has_backups"] is False


def test_amazon_has_the_bucket_in_the_host_and_others_have_it_in_the_path() -> None:
    settings = {"bucket": "b", "region": "eu-west-1", "path": "/shop", "endpoint": ""}
    amazon = {**settings, "endpoint": "s3.eu-west-1.amazonaws.com"}
    assert s3.Bucket(amazon, SECRETS).host == "b.s3.eu-west-1.amazonaws.com"
    other = {**settings, "endpoint": "s3.example.com:9000"}
    assert s3.Bucket(other, SECRETS).host == "s3.example.com:9000"


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
    bucket = s3.Bucket(
        {"bucket": "b", "region": "us-east-1", "path": "/s", "endpoint": "s3.amazonaws.com"},
        SECRETS,
    )
    headers = http.client.HTTPMessage()
    headers["x-amz-bucket-region"] = "eu-west-3"
    answer = s3.Answer(301, headers, b"<Code>PermanentRedirect</Code>")
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


@pytest.mark.parametrize("value", ["", "with space", "line\nbreak"])
def test_a_key_that_is_none_is_never_sent(value: str) -> None:
    settings = {"to": "s3", "endpoint": "s3.example.com"}
    assert attempt(settings, {"access_key": "AKIA", "secret_key": value})[0] == (
        "backup_secret_key is missing, or has characters that no such key has. Write the one that "
        "s3.example.com has given you into .secrets/backup_secret_key beside hosts.yml (in a "
        "vault: vault_backup_secret_key)."
    )
