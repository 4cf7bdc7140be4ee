"""The schema of project.yml. To add a key is to add a field of `Project`: type, rule, default.

The rule holds the sentence for a wrong value; `docs/contributing/project-key.md` has the steps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema

from espalier.project.errors import ProjectError
from espalier.project.rules import code, interpreter, proxies, remotes, runtime, site, source
from espalier.project.rules.anonymise import anonymise as rule_of_anonymise
from espalier.project.rules.basics import DOTTED, InvalidValue, choice, flag, list_of, matching
from espalier.project.rules.build import build_commands, node_wanted
from espalier.project.rules.build_on import machine_name
from espalier.project.rules.certificate import certificate as rule_of_certificate
from espalier.project.rules.certificate import check_names
from espalier.project.rules.database import database as rule_of_database
from espalier.project.rules.egress import target
from espalier.project.rules.email import email as rule_of_email
from espalier.project.rules.files import files as files_rule
from espalier.project.rules.writable import writable_directories
from espalier.project.servers import SERVERS
from espalier.project.words import listed, suggestion, without_password

WHERE = "group_vars/all/project.yml"
SOURCES = ("directory", "git", "package")


@dataclass(frozen=True)
class Rule:
    """A function that alone says what a key may hold, and gives the value that the kit uses.

    pydantic's PlainValidator also builds a serializer from the type, which warns of every tuple
    that becomes a list of JSON; here a value is dumped as what it is.
    """

    function: Callable[[Any], Any]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """What pydantic asks an annotation for."""
        return core_schema.no_info_plain_validator_function(self.function)


class Project(BaseModel):
    """The user's `project` dictionary, checked. An empty value means: detect it, or none."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Rule(site.project_name)] = ""  # never empty once checked
    directory: Annotated[str, Rule(source.directory)] = ""
    git: Annotated[str, Rule(source.git)] = ""
    package: Annotated[str, Rule(source.package)] = ""
    version: Annotated[str, Rule(source.version)] = ""
    # "" is the root of the tree, None is "not stated".
    path: Annotated[str, Rule(code.path_of_manage)] | None = None
    domains: Annotated[tuple[str, ...], Rule(list_of(site.site_name, "[shop.example.com]"))] = ()
    settings: Annotated[str, Rule(code.settings_module)] = ""
    application: Annotated[str, Rule(code.application)] = ""
    requirements: Annotated[str, Rule(code.path_inside)] = ""
    # None is "not stated": those that are there for production.
    groups: Annotated[tuple[str, ...], Rule(list_of(code.group, "[postgres]"))] | None = None
    python: Annotated[str, Rule(interpreter.version)] = ""
    python_mirror: Annotated[str, Rule(interpreter.mirror)] = ""
    extra_requirements: Annotated[
        tuple[str, ...], Rule(list_of(code.requirement, "[django-storages]"))
    ] = ()
    # Addresses without a login; those that were in them are among `logins`.
    index: Annotated[tuple[str, ...], Rule(remotes.index)] = Field(default=(), repr=False)
    # Host -> user:password
    logins: Annotated[Mapping[str, str], Rule(remotes.logins)] = Field(
        default_factory=dict, repr=False
    )
    deploy_key: Annotated[str, Rule(remotes.deploy_key)] = Field(default="", repr=False)
    packages: Annotated[
        tuple[str, ...],
        Rule(
            list_of(
                matching(
                    r"[a-z0-9][a-z0-9+.-]+", "is not the name of a Debian package such as libpq5."
                ),
                "[libpango-1.0-0]",
            )
        ),
    ] = ()
    apps: Annotated[
        tuple[str, ...],
        Rule(
            list_of(
                matching(DOTTED, "is not an app's Python name such as django.contrib.postgres."),
                "[django.contrib.postgres]",
            )
        ),
    ] = ()
    environment: Annotated[Mapping[str, str], Rule(runtime.environment)] = Field(
        default_factory=dict, repr=False
    )
    # Path in the tree -> {"content": text} or {"from": path beside the inventory}
    files: Annotated[Mapping[str, Mapping[str, str]], Rule(files_rule)] = Field(
        default_factory=dict, repr=False
    )
    static_url: Annotated[str, Rule(site.url_prefix)] = "/static/"
    media_url: Annotated[str, Rule(site.url_prefix)] = "/media/"
    media_s3: Annotated[Mapping[str, str], Rule(site.media_s3)] = {}
    server: Annotated[str, Rule(choice(SERVERS))] = ""
    # Name -> {"command": …, "count": int, "single": bool}
    processes: Annotated[
        Mapping[str, Mapping[str, Any]],
        Rule(
            runtime.named("{worker: celery -A shop worker}", ("web",), runtime.process),
        ),
    ] = {}
    # Name -> {"command": …, "when": an OnCalendar expression of systemd's}
    schedule: Annotated[
        Mapping[str, Mapping[str, str]],
        Rule(
            runtime.named(
                "{clearsessions: {command: python manage.py clearsessions, when: daily}}",
                (),
                runtime.scheduled_command,
            )
        ),
    ] = {}
    hooks: Annotated[Mapping[str, tuple[str, ...]], Rule(runtime.hooks)] = {}
    # None is "not stated": it is detected. () is none.
    build: Annotated[tuple[str, ...], Rule(build_commands)] | None = None
    # A version or a range of node where one is stated.
    node: Annotated[bool | str, Rule(node_wanted)] | None = None
    # A machine that builds wheels for the others, or `lab` for one of this computer's lab.
    build_on: Annotated[str, Rule(machine_name)] = ""
    overlay: Annotated[bool, Rule(flag)] = True
    # Absolute, or relative to the root of the project's tree.
    writable: Annotated[tuple[str, ...], Rule(writable_directories)] = ()
    upload_limit_mb: Annotated[int, Rule(site.megabytes)] = 25
    # {"path": prefix, "seconds": int}
    microcache: Annotated[tuple[Mapping[str, Any], ...], Rule(site.microcache)] = ()
    # POST below these paths is limited by visitor.
    login_paths: Annotated[
        tuple[str, ...], Rule(list_of(site.login_path, "[/admin/login/, /accounts/login/]"))
    ] = ("/admin/login/", "/accounts/login/")
    # None is "not stated": where a certificate of an authority was renewed.
    hsts: Annotated[bool, Rule(flag)] | None = None
    http3: Annotated[bool, Rule(flag)] = False
    # "report" or ""
    csp: Annotated[str, Rule(site.csp)] = ""
    trusted_proxies: Annotated[
        tuple[str, ...], Rule(list_of(proxies.trusted_proxy, "[cloudflare, 203.0.113.7]"))
    ] = ()
    # {"host", "port", "user", "from", "tls"}, all of them or none
    email: Annotated[Mapping[str, Any], Rule(rule_of_email)] = {}
    # None is "not stated": everything. () is nothing but the site itself.
    egress: (
        Annotated[tuple[str, ...], Rule(list_of(target, "[smtp.example.com:587, 203.0.113.0/24]"))]
        | None
    ) = None
    # {"kind": auto, self_signed or own}, and what is stated beside it
    certificate: Annotated[Mapping[str, Any], Rule(rule_of_certificate)] = {"kind": "auto"}
    # Table -> its columns that `espalier clone --anonymise` blanks
    anonymise: Annotated[Mapping[str, tuple[str, ...]], Rule(rule_of_anonymise)] = {}
    # No mail is sent, and nothing that is scheduled runs.
    quiet: Annotated[bool, Rule(flag)] = False
    # {"extensions", "version", "databases", "readers"}, only what is stated
    database: Annotated[Mapping[str, Any], Rule(rule_of_database)] = {}

    @property
    def writable_inside(self) -> tuple[str, ...]:
        """What of `writable` lies in the project's own tree."""
        return tuple(path for path in self.writable if not path.startswith("/"))

    # Rules for several keys together, in this order, once every key is right alone.

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [key for key in SOURCES if key in self.model_fields_set]
        if len(given) != 1:
            what = f"has {listed(given)}" if given else "does not say where the code is"
            raise InvalidValue(
                f"`project` {what}: write exactly one of `directory:` (a directory on this "
                "machine), `git:` (a git URL) or `package:` (a name on the Python index)."
            )
        if self.directory and "version" in self.model_fields_set:
            raise InvalidValue(
                "project.version has no meaning with `directory:` (the files are taken as they "
                "are): remove it, or write `git:` instead of `directory:`."
            )
        return self

    @model_validator(mode="after")
    def _keys_of_a_package(self) -> Self:
        if not self.package:
            return self
        for key, instead in (
            ("path", "remove it"),
            ("requirements", "remove it, and add to the package's own with `extra_requirements:`"),
            ("groups", "write extras behind the package's name, as in `package: fruit[s3]`"),
        ):
            if key in self.model_fields_set:
                raise InvalidValue(f"project.{key} has no meaning with `package:`: {instead}.")
        if self.writable_inside:
            raise InvalidValue(
                f"project.writable: {self.writable_inside[0]} is in the project's tree, which a "
                "package does not have: write an absolute directory such as "
                f"/var/lib/{self.name or 'orchard'}, and tell the project of it."
            )
        if self.version and not re.fullmatch(r"\d[\w.!+-]*", self.version):
            raise InvalidValue(
                f'project.version: "{self.version}" is not one exact version of a package: write '
                'for example "2.1.0", or remove the key for the newest.'
            )
        return self

    @model_validator(mode="after")
    def _name_from_the_source(self) -> Self:
        if not self.name:
            name = name_of(self.directory or self.git or self.package)
            # Frozen for everybody else.
            object.__setattr__(self, "name", name)
        return self

    @model_validator(mode="after")
    def _logins_apart(self) -> Self:
        try:
            addresses, found = remotes.split_logins(self.index)
        except InvalidValue as bad:
            raise InvalidValue(f"project.index: {bad}") from None
        object.__setattr__(self, "index", addresses)
        object.__setattr__(self, "logins", {**found, **self.logins})
        return self

    @model_validator(mode="after")
    def _names_of_the_certificate(self) -> Self:
        check_names(self.certificate, self.domains)
        return self

    @model_validator(mode="after")
    def _csp_by_the_overlay(self) -> Self:
        if self.csp and not self.overlay:
            raise InvalidValue(
                "project.csp is the overlay's work, and `overlay: false` turns that off: remove "
                "one of the two."
            )
        return self

    @model_validator(mode="after")
    def _quiet_by_the_overlay(self) -> Self:
        if self.quiet and not self.overlay:
            raise InvalidValue(
                "project.quiet: that no mail is sent is the overlay's work, and `overlay: false` "
                "turns that off: remove one of the two."
            )
        return self

    @model_validator(mode="after")
    def _names_in_the_database(self) -> Self:
        for key in ("databases", "readers"):
            for name in self.database.get(key, ()):
                if name == self.name or name.startswith("espalier_"):
                    raise InvalidValue(
                        f"project.database: {key}: {name} is the site's own or the kit's: choose "
                        "another name."
                    )
        return self

    @model_validator(mode="after")
    def _prefixes_apart(self) -> Self:
        static, media = self.static_url, self.media_url
        if static.startswith(media) or media.startswith(static):
            raise InvalidValue(
                f"project.static_url ({static}) and project.media_url ({media}) overlap: give each "
                "a prefix of its own, for example /static/ and /media/."
            )
        for page in self.microcache:
            if page["path"].startswith((static, media)):
                raise InvalidValue(
                    f"project.microcache: {page['path']} are files, which nginx serves without "
                    "Django anyway: remove it."
                )
        return self


def check(project: Any, where: str = WHERE) -> Project:
    """Check the user's dictionary: its keys, each value, then what belongs together.

    Args:
        project: the `project` dictionary, plain YAML types. A key with no value counts as absent.
        where: the file to name in sentences.

    Returns:
        The checked project, lists as tuples, defaults filled in.

    Raises:
        ProjectError: for the first thing that is wrong, with the file, the key and what to write.
    """
    if not isinstance(project, Mapping):
        raise ProjectError(
            f"{where}: `project` must be a dictionary; write for example\n"
            "project:\n  directory: ../orchard\n  domains: [orchard.example.com]"
        )
    for key in project:
        if key not in Project.model_fields:
            hint = suggestion(key, Project.model_fields, "the keys are")
            raise ProjectError(f"{where}: project.{key} is not a key of `project`: {hint}")
    given = {key: value for key, value in project.items() if value is not None}
    try:
        return Project.model_validate(given)
    except ValidationError as error:
        raise ProjectError(f"{where}: {first_sentence(error, list(given))}") from None


def first_sentence(error: ValidationError, keys: Sequence[str]) -> str:
    """The sentence for the first wrong key, in the order in which the user wrote them.

    A rule's own sentence is taken as it is; a type of pydantic's own has pydantic's.
    """
    errors = error.errors(include_url=False, include_input=False)
    first = min(errors, key=lambda one: keys.index(str(one["loc"][0])) if one["loc"] else -1)
    sentence = str(first.get("ctx", {}).get("error", first["msg"]))
    return f"project.{'.'.join(map(str, first['loc']))}: {sentence}" if first["loc"] else sentence


def name_of(source: str) -> str:
    """The default of `name`, from the last part of the source; InvalidValue where it is none."""
    last = re.split(r"[/:]", re.sub(r"(/|\.git)+$", "", source))[-1].split("[")[0]
    name = re.sub(r"[^a-z0-9]+", "_", last.lower()).strip("_")[:31]
    try:
        return site.project_name(name)
    except InvalidValue:
        taken = (
            f'"{name}", the name made from {without_password(source)}, cannot be used'
            if name
            else "none found"
        )
        raise InvalidValue(
            f"project.name: {taken}: write `name:`, the name of the system user, the database and "
            "the services, for example `name: orchard`."
        ) from None
