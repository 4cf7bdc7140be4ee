"""Send requests at the moments at which they are due, and count from those moments.

An open loop: a slow answer does not delay the next request, as visitors do not wait for each other.
What is measured therefore is what visitors wait ("coordinated omission" is what a closed loop
leaves out).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import aiohttp

from espalier.load.arrivals import arrivals
from espalier.load.profile import Ask, Profile, fill
from espalier.load.sessions import TIMEOUT, open_connector
from espalier.load.site import LoadError, Site

VISITORS = 20  # who keep cookies, in each process
MOST_OPEN = 4000  # requests without an answer, in each process
MOST_CHECKED = 50  # pages of a profile
NO_CONNECTION = "no connection"
ABANDONED = "not answered when the step was over"
TOKEN = "csrftoken"  # Django's default name of the cookie


class Outcome(NamedTuple):
    """How a request went.

    Attributes:
        due: when it was to be sent, in seconds since the step began.
        late: how much later it was sent, in seconds: the sender's own fault.
        took: from the moment it was due to the end of the answer, in seconds.
        failure: "" where it was answered well.
    """

    due: float
    late: float
    took: float
    failure: str


class Sender:
    """Visitors of one asyncio loop. Use it with ``async with``."""

    def __init__(self, site: Site, profile: Profile, seed: int) -> None:
        """Visit this site; the same seed draws the same requests."""
        self.site, self.profile = site, profile
        self.dice = random.Random(seed)
        self.open: dict[asyncio.Task[None], float] = {}  # -> when it was due

    async def __aenter__(self) -> Sender:
        """Open the sessions, and the forms that are to be sent; LoadError where there is none."""
        self._connector = open_connector(self.site, 0)
        anyone = any(not ask.keeps_cookies for ask in self.profile.requests)
        known = any(ask.keeps_cookies for ask in self.profile.requests)
        self._anonymous = [self._session(aiohttp.DummyCookieJar())] if anyone or not known else []
        self._visitors = [
            self._session(aiohttp.CookieJar(unsafe=True)) for _ in range(VISITORS if known else 0)
        ]
        try:
            for ask in self.profile.requests:
                if ask.csrf:
                    await self._open_form(ask)
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *unused: object) -> None:
        """Close the connections."""
        for session in (*self._anonymous, *self._visitors):
            await session.close()
        await self._connector.close()

    def _session(self, jar: aiohttp.abc.AbstractCookieJar) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            base_url=self.site.base,
            cookie_jar=jar,
            connector=self._connector,
            connector_owner=False,
            timeout=aiohttp.ClientTimeout(total=TIMEOUT),
            headers={"Accept": "text/html,*/*;q=0.8", "User-Agent": "espalier-load"},
            auto_decompress=False,
        )

    async def _open_form(self, ask: Ask) -> None:
        for session in self._visitors:
            if _token(session):
                continue
            path = fill(ask.path, self.dice)
            try:
                async with session.get(path) as response:
                    await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise LoadError(f"{self.site.base}{path}: {error!r}.") from error
            if not _token(session):
                raise LoadError(
                    f"{path} is to be sent with a CSRF token (`csrf: true` in the profile), and "
                    f"the page at this address sets no cookie {TOKEN} (status {response.status})."
                )

    async def run(
        self,
        rate: float,
        seconds: float,
        began: float,
        note: Callable[[Outcome], None],
        count_sent: Callable[[], None] = lambda: None,
    ) -> None:
        """Send for so many seconds, and give each outcome to `note`; cancel it to stop sending.

        Answers may come later: `drain` waits for them.

        Args:
            rate: requests per second.
            seconds: for how long.
            began: when the first second begins, by `time.monotonic()`.
            note: called with the outcome of every request.
            count_sent: called for each request that is sent.
        """
        due = arrivals(rate, seconds, self.dice)
        for moment, chosen in zip(due, self.profile.draw(len(due), self.dice), strict=True):
            if (pause := began + moment - time.monotonic()) > 0:
                await asyncio.sleep(pause)
            count_sent()
            if len(self.open) >= MOST_OPEN:
                note(Outcome(moment, 0.0, 0.0, f"{MOST_OPEN} requests wait for an answer"))
                continue
            request = self._send(self.profile.requests[chosen], began, moment, note)
            task = asyncio.create_task(request)
            self.open[task] = moment
            task.add_done_callback(self.open.pop)
            if pause <= 0:
                await asyncio.sleep(0)  # late already: let the others go on

    async def drain(self, until: float) -> None:
        """Wait for the answers until a moment of `time.monotonic()`, then abandon the rest."""
        if self.open:
            await asyncio.wait(list(self.open), timeout=max(until - time.monotonic(), 0))
        for task in (rest := list(self.open)):
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def check(self) -> str:
        """Ask once for each page that somebody wrote down; gives what is wrong with one, or "".

        A page that is not there would look like a site that does not keep up.
        """
        reads = [ask for ask in self.profile.requests if ask.method == "GET"]
        written = self.profile.source == "file"
        for ask in reads[: MOST_CHECKED if written else 1]:
            session = (self._visitors if ask.keeps_cookies else self._anonymous)[0]
            path = fill(ask.path, self.dice)
            failure = await _fails(session, "GET", path)
            if failure == NO_CONNECTION:
                return f"{self.site.base} ({self.site.address}) cannot be reached: {failure}."
            if written and failure.startswith("status 4"):
                return (
                    f"GET {path} is answered with {failure}, so nothing could be learnt from it: "
                    f"correct this request of the profile {self.profile.name}."
                )
        return ""

    async def probe(self) -> float:
        """Ask for the page that the profile asks for most; gives what it took, in seconds."""
        reads = [ask for ask in self.profile.requests if ask.reads]
        ask = max(reads or self.profile.requests, key=lambda ask: ask.weight)
        session = (self._anonymous or self._visitors)[0]
        began = time.monotonic()
        await _fails(session, "GET", fill(ask.path, self.dice))
        return time.monotonic() - began

    async def _send(
        self, ask: Ask, began: float, moment: float, note: Callable[[Outcome], None]
    ) -> None:
        late = time.monotonic() - began - moment
        session = self.dice.choice(self._visitors) if ask.keeps_cookies else self._anonymous[0]
        path = fill(ask.path, self.dice)
        more: dict[str, Any] = {}
        if ask.form is not None:
            more["data"] = {key: fill(value, self.dice) for key, value in ask.form.items()}
        if ask.csrf:
            more["headers"] = {"Referer": self.site.base + path, "X-CSRFToken": _token(session)}
        failure = ABANDONED
        try:
            failure = await _fails(session, ask.method, path, **more)
        finally:
            note(Outcome(moment, late, time.monotonic() - began - moment, failure))


def _token(session: aiohttp.ClientSession) -> str:
    return next((cookie.value for cookie in session.cookie_jar if cookie.key == TOKEN), "")


async def _fails(session: aiohttp.ClientSession, method: str, path: str, **more: Any) -> str:
    """Send a request and read the answer; gives what was wrong, or ""."""
    try:
        async with session.request(method, path, allow_redirects=False, **more) as response:
            await response.read()
    except TimeoutError:
        return f"no answer in {TIMEOUT} s"
    except aiohttp.ClientConnectorError:
        return NO_CONNECTION
    except (aiohttp.ClientError, OSError) as error:
        return type(error).__name__
    return f"status {response.status}" if response.status >= 400 else ""
