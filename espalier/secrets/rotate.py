"""Rotate secrets: write new values, run site.yml, and close what they replace.

Each step leaves machines and inventory in a state that any later run may go on from:
`espalier.secrets.rotation` says what is written when.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from espalier.inventory.remote import explain, reach
from espalier.inventory.site import Site, SiteError
from espalier.secrets.catalog import ROTATED, SECRETS, key_in_use
from espalier.secrets.rotation import Changes, begin, drop_old, finish
from espalier.secrets.store import Store
from espalier.wiring.databases import database_user

CACHE = "redis restarts twice: the cache is empty afterwards, and visitors stay signed in"
QUEUE = (
    "the queue restarts twice: WebSockets end and open again, pages that send a job wait a moment "
    "or fail, and no job is lost"
)


@dataclass(frozen=True)
class Rotation:
    """What rotates secrets of a site.

    Attributes:
        site: whose machines take the new values.
        open_store: reads where its secrets are kept.
        run_site: runs site.yml; gives its exit status.
        tell: gets a sentence for the person.
    """

    site: Site
    open_store: Callable[[], Store]
    run_site: Callable[[], int]
    tell: Callable[[str], None]

    def interruptions(self, names: Sequence[str]) -> list[str]:
        """What the rotation of secrets interrupts, a sentence each; mostly nothing."""
        services = {service for name in names if (service := SECRETS[name].interrupts)}
        told = {"redis": CACHE, "queue": QUEUE} if services else {}
        return [words for service, words in told.items() if self.site.machines(service)]

    def choose(self, name: str) -> list[str]:
        """The secrets that a name stands for: itself, or with `all` those that are made.

        Raises:
            SiteError: it is not made yet, or kept where this program cannot change it.
        """
        store = self.open_store()
        made = [one for one in ROTATED if store.place(key_in_use(one, store.values))]
        if name != "all" and name not in made:
            raise SiteError(f"{name} is not made yet: there is nothing to rotate.", 2)
        chosen = made if name == "all" else [name]
        for one in chosen:
            for key in (one, *SECRETS[one].companions):
                store.check_writable(key)
        return chosen

    def rotate(self, names: Sequence[str]) -> None:
        """Rotate secrets; SiteError where it did not come to its end."""
        store = self.open_store()
        before = store.values_in_use
        changes: dict[str, Changes] = {}
        for name in names:
            if name == "database_password" and self._is_unfinished(store):
                self.tell(f"{name}: the rotation that was begun is finished first.")
                continue
            changes[name] = begin(name, store.values)
            if not changes[name]:
                self.tell(f"{name}: the rotation that was begun is finished.")
        self._apply(store, changes)
        store = self.open_store()
        rest = {name: found for name in names if (found := finish(name, store.values))}
        if rest:
            self.tell(f"Every process knows the new values; now {_and(list(rest))} for good.")
            self._apply(store, rest)
        after = self.open_store().values_in_use
        if same := [name for name, new in changes.items() if new and after[name] == before[name]]:
            raise SiteError(
                f"{_and(same)} still has the value of before: something in the inventory goes "
                "before what was written."
            )

    def drop_old(self) -> bool:
        """Accept the secret key of before no longer; gives whether there was one."""
        store = self.open_store()
        changes = drop_old(store.values)
        if changes:
            self._apply(store, {"secret_key": changes})
        return bool(changes)

    def _apply(self, store: Store, changes: dict[str, Changes]) -> None:
        store.write(changes)
        if status := self.run_site():
            raise SiteError(
                "the machines have not all taken what was written; nothing that they use was "
                "closed. Mend what failed, and run the same command again, or `espalier site`.",
                status,
            )

    def _is_unfinished(self, store: Store) -> bool:
        """Whether the database's login that is not in use is still open: a rotation was cut off."""
        login = "first" if store.values.get("database_login") == "second" else "second"
        role = database_user(self.site.name, login)
        query = f"SELECT 1 FROM pg_roles WHERE rolcanlogin AND rolname = '{role}'"
        psql = ["runuser", "-u", "postgres", "--", "psql", "-XAtc", query]
        with reach(self.site) as remote:
            machine = self.site.machines("postgresql_primary")[0]
            status, output, errors = remote.run(machine, psql)
        if status:
            raise SiteError(
                f"{machine} cannot be asked which login its database uses: {explain(errors)}. "
                "Nothing was changed."
            )
        return bool(output.strip())


def _and(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
