"""What is next: a first certificate, one for other names, a renewal, or nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from espalier_machine.certificate import authority, certbot, preflight, state
from espalier_machine.certificate.config import SERVED, Settings
from espalier_machine.certificate.errors import CertificateError
from espalier_machine.certificate.serve import serve
from espalier_machine.common import x509

# Where more than this part of a life is over, a renewal that fails is told at once.
LATE = 0.75


def renew(settings: Settings, *, now: bool = False, force: bool = False) -> state.State:
    """Do what is next, where it is time.

    Args:
        settings: of the machine.
        now: whether to try before the next try's time, as far as the authority allows.
        force: whether to ask for a new certificate though it is not time, and the authority has
            asked us to wait.
    """
    known = state.load()
    clock = time.time()
    try:
        hand_over(settings)
        if settings.kind == "own":
            known.problem = own_problem(settings, clock)
        elif is_time(known, clock, now=now, force=force):
            if wrong := ask(settings, known, force=force):  # names that were left out
                raise CertificateError(sentence(wrong))
            current = x509.read(certbot.CERTIFICATE)
            known.succeeded(clock, current.life if current else 0)
    except CertificateError as error:
        known.failed(clock, error)
    state.save(known)
    record(settings, known)
    return known


def is_time(known: state.State, clock: float, *, now: bool, force: bool) -> bool:
    """Whether to try: the timer keeps to the pause, a person only to that of the authority."""
    return force or clock >= (known.not_before if now else known.next_try)


def ask(settings: Settings, known: state.State, *, force: bool) -> dict[str, str]:
    """Ask the authority for what is missing; gives what is wrong with names that were left out.

    Raises CertificateError where nothing could be had.
    """
    venv = certbot.installed(settings.dns)
    found = authority.directory(settings.authority)
    if settings.profile and found.profiles and settings.profile not in found.profiles:
        raise CertificateError(f"the authority has no profile {settings.profile} for addresses.")
    current = x509.read(certbot.CERTIFICATE)
    is_urgent = force or current is None or current.spent(time.time()) > LATE
    wrong = look(venv, settings, found.identities, is_urgent=is_urgent)
    wanted = to_ask(settings.names, wrong, current.names if current else ())
    if current and (set(wanted) == set(current.names) or any(name in wrong for name in wanted)):
        # Also where a new set cannot be had: meanwhile the old one is kept alive.
        if still_wrong := [name for name in current.names if name in wrong]:
            raise CertificateError(sentence({name: wrong[name] for name in still_wrong}))
        certbot.renew(venv, settings, force=force)
    elif not wanted:
        raise CertificateError(sentence(wrong))
    else:
        if settings.staging and known.tried != sorted(wanted):
            try_out(venv, settings, wanted)
            known.tried = sorted(wanted)
        certbot.obtain(venv, settings, wanted, settings.authority, dry=False)
    after = x509.read(certbot.CERTIFICATE)
    # One for other names proves nothing about renewals, which HSTS waits for.
    if after and current and set(after.names) == set(current.names):
        known.renewals += after.fingerprint != current.fingerprint
    hand_over(settings)
    return wrong


def try_out(venv: Path, settings: Settings, names: Sequence[str]) -> None:
    """Ask the authority's staging first: what fails there costs nothing here."""
    try:
        certbot.obtain(venv, settings, names, settings.staging, dry=True)
    except CertificateError as error:
        # Not `by_authority`: a person who has mended it may try again at once.
        raise CertificateError(str(error)) from None


def look(
    venv: Path, settings: Settings, identities: Sequence[str], *, is_urgent: bool
) -> dict[str, str]:
    """What is wrong with each name, in DNS and on port 80."""
    if settings.dns:  # nobody will come to any address
        bases = {name: name.removeprefix("*.") for name in settings.names}
        found = preflight.parse(certbot.python(venv, "resolve.py", *dict.fromkeys(bases.values())))
        return preflight.dns_problems({n: found[base] for n, base in bases.items()}, identities)
    looked_up = {name: preflight.literal(name) for name in settings.names}
    records: dict[str, Mapping[str, Any]] = {name: of for name, of in looked_up.items() if of}
    if asked := [name for name in settings.names if name not in records]:
        records |= preflight.parse(certbot.python(venv, "resolve.py", *asked))
    return preflight.problems(
        records,
        settings.addresses,
        identities,
        preflight.asker(settings.thumbprint),
        is_urgent=is_urgent,
    )


def to_ask(names: Sequence[str], wrong: Mapping[str, str], current: Sequence[str]) -> list[str]:
    """The names to ask for: those with which nothing is wrong, and those that are served already.

    So a name that does not lead here yet keeps no other one waiting, and one whose DNS is broken
    for an hour does not lose its certificate.
    """
    return [name for name in names if name not in wrong or name in current]


def sentence(wrong: Mapping[str, str]) -> str:
    """What is wrong, in one sentence for each name."""
    return "; ".join(wrong.values())


def hand_over(settings: Settings) -> None:
    """Have nginx serve the best there is: a run that was killed before is caught up with."""
    placeholder = Path(f"{settings.placeholder}.crt")
    kind = kind_of(settings)
    if kind == "acme":
        serve(certbot.CERTIFICATE, certbot.KEY)
    elif kind == "placeholder" and placeholder.exists():
        serve(placeholder, placeholder.with_name(f"{placeholder.stem}.key"))


def own_problem(settings: Settings, clock: float) -> str:
    """What is wrong with a certificate of one's own: near its end, or over."""
    served = x509.read(SERVED)
    if served is None or served.spent(clock) < LATE:
        return ""
    when = f"{served.ends:%Y-%m-%d}"
    what = "has expired on" if served.spent(clock) >= 1 else "expires on"
    return f"the certificate {what} {when}: put the new one beside the inventory, and run the site"


def kind_of(settings: Settings) -> str:
    """What is served: acme, own, placeholder or kept.

    `kept` is a certificate that came from elsewhere, such as one's own before the authority's:
    visitors trust it, and would not trust a placeholder.
    """
    if settings.kind == "own":
        return "own"
    if certbot.CERTIFICATE.exists():
        return "acme"
    served = x509.read(SERVED)
    return "kept" if served and not served.is_self_signed else "placeholder"


def record(settings: Settings, known: state.State) -> None:
    """Write the fact."""
    state.save_fact(kind_of(settings), x509.read(SERVED), known)


def is_failure(settings: Settings, known: state.State, clock: float) -> bool:
    """Whether somebody has to be told: one hiccup far from the end is tried again in silence."""
    if not known.problem:
        return False
    served = x509.read(SERVED)
    is_safe = kind_of(settings) == "acme" and served is not None and served.spent(clock) < LATE
    return known.failures > 1 or not is_safe
