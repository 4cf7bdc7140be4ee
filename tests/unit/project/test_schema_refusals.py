"""project.yml: the sentence for what is not accepted."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel, Field, ValidationError

from espalier.project.errors import ProjectError
from espalier.project.schema import Project, check, first_sentence
from tests.unit.project.samples import KEY
from tests.unit.project.samples import LEAST as D


def refusal(values: object) -> str:
    with pytest.raises(ProjectError) as caught:
        check(values)
    return str(caught.value)


M = {"host": "smtp.example.com", "from": "shop@example.com"}
REFUSALS = [
    (None, "`project` must be a dictionary"),
    ({}, "does not say where the code is: write exactly one of `directory:`"),
    ({"directory": "x", "git": "y"}, "`project` has `directory`, `git`: write exactly one"),
    (
        {**D, "domain": ["a.example"]},
        "project.domain is not a key of `project`: did you mean `domains`?",
    ),
    (
        {**D, "zzzzzz": 1},
        "project.zzzzzz is not a key of `project`: the keys are `name`, `directory`",
    ),
    ({**D, "build_on": "a b"}, 'project.build_on: "a b" is not the name of a machine in hosts.yml'),
    ({**D, "groups": ["a b"]}, 'project.groups: "a b" is not the name of a group of requirements'),
    ({"package": "x", "groups": ["s3"]}, "as in `package: fruit[s3]`"),
    ({**D, "python": 3.12}, "project.python: YAML reads 3.12 as a number: put it in quotes"),
    ({**D, "python": "3.12.4"}, 'names a patch release, and the newest one is taken: write "3.12"'),
    ({**D, "python": "3.9"}, 'is no Python that the kit can run: write "3.10" to "3.15"'),
    ({**D, "python_mirror": "mirror.example.com"}, "is no URL of a mirror: write for example"),
    ({**D, "python_mirror": "https://a:b@mirror.example.com"}, "has a password in it"),
    ({"directory": 3}, "project.directory: YAML reads 3 as a number: put it in quotes"),
    ({"directory": ""}, "project.directory: is empty: give it a value or remove the key"),
    ({"directory": ["x"]}, "project.directory: must be text, and is a list"),
    ({"directory": "a\nb"}, "project.directory: has a line break"),
    ({"directory": ".."}, "project.name: none found: write `name:`"),
    ({"directory": "backup"}, '"backup", the name made from backup, cannot be used: write `name:`'),
    (
        {"git": "https://me:hunter2@h.example/mail.git"},
        "made from https://h.example/mail.git, cannot",
    ),
    ({**D, "name": "Shop"}, 'project.name: "Shop" cannot name a user, a database and services'),
    ({**D, "name": "www-data"}, 'project.name: "www-data" cannot name a user'),
    ({**D, "name": "a" * 32}, "at most 30 lower-case letters"),
    *[
        ({**D, "name": name}, f'"{name}" already means something to Debian')
        for name in ("root", "postgres", "nginx", "daemon", "redis", "pgbouncer", "pg_x")
    ],
    ({**D, "version": "main"}, "project.version has no meaning with `directory:`"),
    ({"package": "x", "path": "y"}, "project.path has no meaning with `package:`"),
    ({"package": "x", "requirements": "y"}, "project.requirements has no meaning with `package:`"),
    ({"package": "x", "version": ">=2"}, '">=2" is not one exact version of a package'),
    (
        {"package": "x", "version": 1.1},
        "project.version: YAML reads 1.1 as a number: put it in quotes",
    ),
    ({"package": "pretix==1.2"}, 'write `package: pretix`, `version: "1.2"`'),
    ({"package": "a b"}, '"a b" is not the name of a package on the Python index'),
    ({"git": "-x"}, "it starts with a dash"),
    ({"git": "x", "version": "-q"}, '"-q" is neither a branch, a tag, a commit nor'),
    ({**D, "path": "../x"}, '"../x" must be a path inside the project'),
    ({**D, "path": "/x"}, '"/x" must be a path inside the project'),
    ({**D, "path": "backend/manage.py"}, "write the directory that holds it: backend"),
    ({**D, "domains": "a.example"}, "project.domains: must be a list, and is a text"),
    (
        {**D, "domains": ["https://a.example/x"]},
        "has a scheme: write the host name alone: a.example",
    ),
    ({**D, "domains": ["a.example:80"]}, "has a port: write the host name alone: a.example"),
    ({**D, "domains": ["[::1]:80"]}, "has a port: write the host name alone: [::1]"),
    ({**D, "domains": ["a.example/x"]}, "has a path: write the host name alone: a.example"),
    ({**D, "domains": [".a.example"]}, "stands for many names"),
    ({**D, "domains": ["*.net"]}, '"*.net" is no wildcard of a name'),
    ({**D, "domains": ["*.10.0.0.7"]}, '"*.10.0.0.7" is no wildcard of a name'),
    ({**D, "domains": ["*.a.example"]}, "write a host name before it, for example a.example"),
    (
        {**D, "domains": ["a.net", "*.a.net"]},
        'project.domains: an authority gives a certificate for "*.a.net" only to whom',
    ),
    ({**D, "email": {"host": "*.a.net", "from": "a@a.net"}}, "stands for many names"),
    ({**D, "domains": ["bücher.example"]}, "write its ASCII form: xn--bcher-kva.example"),
    ({**D, "domains": ["a_b.example"]}, "is neither a host name nor an IP address"),
    ({**D, "domains": ["300.1.1.1"]}, "is neither a host name nor an IP address"),
    (
        {**D, "settings": "mysite/settings.py"},
        "is not a Python module with dots: write mysite.settings",
    ),
    ({**D, "settings": "mysite.settings.py"}, "is a file, not a module: write mysite.settings"),
    ({**D, "settings": "a b"}, '"a b" is not a Python module with dots, such as mysite.settings'),
    ({**D, "application": "m.wsgi.application"}, "write m.wsgi:application"),
    ({**D, "application": "m.wsgi"}, "write m.wsgi:application"),
    ({**D, "application": "m wsgi"}, "is not module:name"),
    ({**D, "requirements": "/r.txt"}, '"/r.txt" must be a path inside the project'),
    ({**D, "extra_requirements": ["-r x"]}, '"-r x" is not a requirement'),
    ({**D, "extra_requirements": "x"}, "must be a list"),
    ({**D, "packages": ["Lib X"]}, '"Lib X" is not the name of a Debian package'),
    (
        {**D, "database": {"extensions": ["postgiss"]}},
        'database: extensions: for the PostgreSQL extension "postgiss" the kit knows no Debian '
        "package: did you mean `postgis`?",
    ),
    ({**D, "database": {"extension": []}}, "extension is not a key here: did you mean"),
    ({**D, "database": {"version": "17.2"}}, '"17.2" is not a major version of PostgreSQL'),
    ({**D, "database": {"databases": ["x"]}}, "databases: x is the site's own or the kit's"),
    ({**D, "database": {"readers": {"bi": {}}}}, "readers: bi: write where it connects from"),
    ({**D, "database": {"readers": {"bi": {"from": ["0.0.0.0/0"]}}}}, "write the addresses of"),
    ({**D, "database": {"readers": {"postgres": {"from": ["10.0.0.7"]}}}}, "already means"),
    ({**D, "database": {"readers": {"all": {"from": ["10.0.0.7"]}}}}, "means others, too"),
    ({**D, "database": {"databases": ["replication"]}}, "means others, too"),
    ({**D, "email": {"host": "a.example"}}, "project.email: lacks `from`: write for example"),
    ({**D, "email": {"password": "x"}}, "write it as `vault_email_password` into the vault"),
    ({**D, "email": {**M, "port": "587"}}, "port: '587' is not the number of a port such as 587"),
    ({**D, "email": {**M, "tls": "yes"}}, 'tls: "yes" is not known: write starttls, ssl or "none"'),
    ({**D, "email": {**M, "from": "shop"}}, 'from: "shop" is not an address such as'),
    ({**D, "email": {**M, "host": "a:25"}}, 'email: host: "a:25" has a port'),
    ({**D, "email": {**M, "username": "x"}}, "username is not a key here: did you mean `user`?"),
    ({**D, "egress": ["https://a.example/"]}, "is a URL: write only its host and port"),
    ({**D, "egress": ["*.example.com:443"]}, "a name has to be whole"),
    ({**D, "egress": ["a.example:99999"]}, '"a.example:99999" is no host with or without a port'),
    ({**D, "anonymise": ["auth_user"]}, "project.anonymise: must be a dictionary, and is a list"),
    ({**D, "anonymise": {"a.b.c": ["x"]}}, 'anonymise: "a.b.c" is no table of the database'),
    ({**D, "anonymise": {"auth_user": "email"}}, "anonymise: auth_user: must be a list"),
    ({**D, "anonymise": {"auth_user": []}}, "anonymise: auth_user: names no column"),
    ({**D, "anonymise": {"auth_user": [1]}}, "auth_user: YAML reads 1 as a number"),
    ({**D, "quiet": "yes"}, "project.quiet: must be true or false, and is a text"),
    (
        {**D, "quiet": True, "overlay": False},
        "project.quiet: that no mail is sent is the overlay's work, and `overlay: false` turns",
    ),
    ({**D, "certificate": "letsencrypt"}, '"letsencrypt" is not known: write auto, self_signed'),
    ({**D, "certificate": {"certificate": "a.pem"}}, "certificate: lacks `key`"),
    ({**D, "certificate": {"authorty": "x"}}, "authorty is not a key here: did you mean"),
    ({**D, "certificate": {"authority": "http://a/"}}, "is not the address of an ACME directory"),
    ({**D, "certificate": {"email": "me"}}, 'email: "me" is not an address such as'),
    ({**D, "certificate": {"dns": "cloudflair"}}, 'dns: "cloudflair" is no DNS provider'),
    (
        {**D, "certificate": {"dns": "cloudflare"}},
        "DNS proves names, and the site has no `domains`",
    ),
    (
        {**D, "domains": ["a.net", "10.0.0.7"], "certificate": {"dns": "cloudflare"}},
        "DNS proves names, and 10.0.0.7 is an address",
    ),
    ({**D, "certificate": {"propagation": 9}}, "nothing is waited for here: remove it"),
    (
        {**D, "domains": ["a.net"], "certificate": {"dns": "ovh", "propagation": "9"}},
        "propagation: '9' is not a number of seconds from 1 to 900",
    ),
    ({**D, "trusted_proxies": ["cloudflair"]}, '"cloudflair" is neither `cloudflare` nor'),
    ({**D, "trusted_proxies": ["10.0.0.1/8"]}, "has host bits set"),
    ({**D, "trusted_proxies": ["0.0.0.0/0"]}, "would let anybody claim any address"),
    ({**D, "apps": ["a-b"]}, '"a-b" is not an app\'s Python name'),
    ({**D, "environment": ["A=1"]}, "project.environment: must be a dictionary, and is a list"),
    ({**D, "environment": {"A-B": "1"}}, '"A-B" is not the name of an environment variable'),
    ({**D, "environment": {"A": "1\n2"}}, "A has a line break, which an environment file cannot"),
    ({**D, "environment": {"A": None}}, 'it is a missing value: write A: ""'),
    (
        {**D, "environment": {"A": [1]}},
        "A must be text, a whole number, true or false; it is a list",
    ),
    ({**D, "environment": {"A": 1.5}}, 'put it in quotes, A: "1.5"'),
    ({**D, "environment": {"DJANGO_SETTINGS_MODULE": "x"}}, "write `settings:` instead"),
    ({**D, "environment": {"PYTHONPATH": "x"}}, "write `path:` to say where manage.py is"),
    (
        {**D, "environment": {"ESPALIER_X": "x"}},
        "names that start with ESPALIER_ belong to the kit",
    ),
    ({**D, "static_url": "static"}, "starts and ends with a slash: write /static/"),
    ({**D, "static_url": "/"}, "starts and ends with a slash: write /static/"),
    ({**D, "static_url": "/a/../b/"}, "starts and ends with a slash"),
    ({**D, "media_url": "https://cdn.example.com/"}, "is on another site"),
    ({**D, "media_url": "/static/up/"}, "(/static/) and project.media_url (/static/up/) overlap"),
    ({**D, "media_s3": "orchard"}, "project.media_s3: must be a dictionary; write for example"),
    ({**D, "media_s3": {"region": "eu-1"}}, "lacks the `bucket`"),
    ({**D, "index": ["pypi.example.com"]}, '"pypi.example.com" is not the address of a Python'),
    ({**D, "index": ["https://u:a%20b@x.example/"]}, "project.index: x.example: a login is user"),
    ({**D, "logins": {"https://u:pw@x.example/": "a"}}, '"https://x.example/" is not a host'),
    ({**D, "logins": {"x.example": 'a"b'}}, "x.example: a login is user:password, or a token"),
    ({**D, "logins": {"x.example": 12}}, "x.example must be text, and is a number"),
    ({**D, "deploy_key": "~/.ssh/id_ed25519"}, "is not a private key of SSH"),
    ({**D, "deploy_key": KEY.replace("\nAAAA", "\nENCRYPTED")}, "has a passphrase"),
    ({**D, "media_s3": {"bucket": "b", "secret_key": "x"}}, "set vault_s3_secret_key in the"),
    ({**D, "media_s3": {"bucket": "b", "endpoint_url": "s3"}}, "must start with https:// or"),
    ({**D, "overlay": "yes"}, "project.overlay: must be true or false, and is a text"),
    ({**D, "build": "npm ci"}, "project.build: must be a list of commands, and is a text"),
    ({**D, "node": "yes"}, "project.node: must be true, false, or a version such as"),
    ({**D, "node": "22; rm"}, "project.node: must be true, false, or a version such as"),
    ({**D, "files": ["x"]}, "project.files: must be a dictionary"),
    ({**D, "files": {"../x": "a"}}, '"../x" must be a path inside the project'),
    ({**D, "files": {"certs/": "a"}}, '"certs/" is a directory: write the path of a file'),
    ({**D, "files": {"x": 5}}, "project.files: x must be the file's text"),
    (
        {**D, "files": {"x": {"form": "a"}}},
        "x: form is not a key here: did you mean `from`?",
    ),
    ({**D, "files": {"x": {"from": "a", "content": "b"}}}, "x must have one of `content`"),
    ({**D, "files": {"x": {"from": 3}}}, "x: `from` YAML reads 3 as a number"),
    ({**D, "writable": ["../x"]}, '"../x" must be a path inside the project'),
    ({**D, "writable": ["a b"]}, '"a b" has other characters than letters, digits'),
    ({**D, "writable": ["."]}, '"." is the whole project'),
    ({**D, "writable": ["var", "var/log"]}, "var/log is inside of var: leave var alone"),
    ({"package": "x", "writable": ["data"]}, "data is in the project's tree, which a package does"),
    ({**D, "writable": ["/a/../etc"]}, '"/a/../etc" is neither a directory of the project such'),
    ({**D, "writable": ["/etc/x"]}, '"/etc/x" belongs to the system'),
    ({**D, "writable": ["/tmp/"]}, '"/tmp/" belongs to the system'),
    ({**D, "writable": ["/var/log"]}, '"/var/log" belongs to the system'),
    ({**D, "writable": ["/home/deploy"]}, '"/home/deploy" belongs to the system'),
    ({**D, "writable": ["/var/lib/postgresql/17"]}, '"/var/lib/postgresql/17" belongs to the sys'),
    ({**D, "server": "gunicron"}, "did you mean `gunicorn`?"),
    ({**D, "server": "apache"}, "write one of `gunicorn`, `uvicorn`"),
    ({**D, "processes": ["x"]}, "must be a dictionary"),
    ({**D, "processes": {"web": "x"}}, "web is there already"),
    ({**D, "processes": {"Mailer": "x"}}, "is not a name such as mailer"),
    ({**D, "processes": {"mailer": {"comand": "x"}}}, "did you mean `command`?"),
    ({**D, "processes": {"mailer": {"count": 2}}}, "mailer: lacks `command`"),
    ({**D, "processes": {"mailer": {"command": "x", "count": 0}}}, "from 1 to 100, not 0"),
    (
        {**D, "processes": {"beat": {"command": "x", "count": 2, "single": True}}},
        "leave one of them out",
    ),
    ({**D, "schedule": {"tidy": {"command": "x"}}}, "tidy: lacks `when`"),
    ({**D, "schedule": {"tidy": "x"}}, "tidy: must be a dictionary"),
    ({**D, "hooks": {"before_migration": ["x"]}}, "did you mean `before_migrate`?"),
    ({**D, "hooks": {"after_switch": "x"}}, "after_switch must be a list"),
    ({**D, "upload_limit_mb": "25"}, "must be a whole number of megabytes"),
    ({**D, "upload_limit_mb": True}, "must be a whole number of megabytes"),
    ({**D, "upload_limit_mb": 0}, "must be a whole number of megabytes"),
    ({**D, "login_paths": ["login"]}, '"login" is not the beginning of an address such as /acc'),
    ({**D, "login_paths": ["/"]}, "/ is every page, whose forms would be limited"),
    ({**D, "hsts": "yes"}, "project.hsts: must be true or false, and is a text"),
    ({**D, "http3": 1}, "project.http3: must be true or false"),
    ({**D, "csp": True}, "project.csp: True is not known: write `report`"),
    ({**D, "csp": "block"}, "A policy that blocks is the project's own to send"),
    ({**D, "csp": "report", "overlay": False}, "and `overlay: false` turns that off: remove one"),
    ({**D, "microcache": {"/guide/": 10}}, "must be a list, and is a dictionary: write for exam"),
    ({**D, "microcache": ["/guide/"]}, "each entry must be a dictionary, and one is a text"),
    ({**D, "microcache": [{"path": "/a/"}]}, "an entry lacks `seconds`: write for example [{path"),
    (
        {**D, "microcache": [{"path": "/a/", "second": 1}]},
        "project.microcache: second is not a key of an entry: did you mean `seconds`?",
    ),
    ({**D, "microcache": [{"path": "guide", "seconds": 1}]}, '"guide" is not the beginning of an'),
    ({**D, "microcache": [{"path": "/a/*", "seconds": 1}]}, '"/a/*" is not the beginning of an'),
    ({**D, "microcache": [{"path": "/../", "seconds": 1}]}, '"/../" is not the beginning of an'),
    ({**D, "microcache": [{"path": "/a/", "seconds": 0}]}, "must be a whole number from 1 to 3600"),
    ({**D, "microcache": [{"path": "/a/", "seconds": "9"}]}, "a whole number from 1 to 3600, not"),
    ({**D, "microcache": [{"path": "/-/ready", "seconds": 1}]}, "holds the kit's health pages"),
    ({**D, "microcache": [{"path": "/media/x", "seconds": 1}]}, "/media/x are files, which nginx"),
    ({**D, "microcache": [{"path": "/a/", "seconds": 1}] * 2}, "/a/ is there twice"),
]


@pytest.mark.parametrize(("values", "sentence"), REFUSALS, ids=lambda v: str(v)[:50])
def test_refusals_name_the_file_and_what_to_write(values, sentence):
    said = refusal(values)
    assert sentence in said
    assert said.startswith("group_vars/all/project.yml: ")


def test_the_first_wrong_key_is_named_in_the_order_of_the_file():
    sentences = [
        refusal({"upload_limit_mb": 0, "domains": "x", "directory": ""}),
        refusal({"domains": "x", "upload_limit_mb": 0}),
        refusal({"domains": "x", "zzzzzz": 1}),
    ]
    keys = [sentence.split(":")[1].split()[0] for sentence in sentences]
    assert keys == ["project.upload_limit_mb", "project.domains", "project.zzzzzz"]
    assert all(sentence.count("project.") == 2 for sentence in sentences)  # and project.yml


def test_secrets_are_in_no_error():
    values = {**D, "git": "y", "environment": {"TOKEN": "hunter2"}}  # refused as a whole
    with pytest.raises(ValidationError) as caught:
        Project.model_validate(values)
    assert "hunter2" not in str(caught.value)


def test_a_key_with_a_type_of_pydantic_has_its_sentence():
    class Later(BaseModel):
        retries: Annotated[int, Field(ge=1)] = 3

    with pytest.raises(ValidationError) as caught:
        Later.model_validate({"retries": 0})
    sentence = first_sentence(caught.value, ["retries"])
    assert sentence == "project.retries: Input should be greater than or equal to 1"
