"""The load against a real server: what is sent, how often, and what counts as failed."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from aiohttp import web

from espalier.load.processes import Senders
from espalier.load.profile import Ask, Profile
from espalier.load.rates import Plan
from espalier.load.sender import Outcome, Sender
from espalier.load.site import LoadError, Site
from espalier.load.stepping import run_load
from tests.unit.load.servers import serving


def send(site: Site, profile: Profile, rate: float, seconds: float) -> list[Outcome]:
    """Send from this process; gives the outcomes."""

    async def go() -> list[Outcome]:
        outcomes: list[Outcome] = []
        async with Sender(site, profile, 1) as sender:
            await sender.run(rate, seconds, time.monotonic(), outcomes.append)
            await sender.drain(time.monotonic() + 5)
        return outcomes

    return asyncio.run(go())


def runs(pid: int) -> bool:
    """Whether a process is there, and not only the record that it ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rsplit(")")[1].split()[0] not in "ZX"


def test_it_asks_as_the_profile_says() -> None:
    asked: Counter[str] = Counter()

    async def answer(request: web.Request) -> web.Response:
        asked[f"{request.method} {request.host.split(':')[0]}{request.path_qs}"] += 1
        return web.Response(text="hello")

    profile = Profile(
        name="x", requests=[Ask(path="/a/?q=1", weight=3), Ask(path="/b/{7..7}/", weight=1)]
    )
    with serving(answer) as site:
        outcomes = send(site, profile, 40, 1)

    assert asked == {"GET orchard.example/a/?q=1": 30, "GET orchard.example/b/7/": 10}
    assert [one.failure for one in outcomes] == [""] * 40


def test_a_slow_answer_delays_no_other_request() -> None:
    async def answer(request: web.Request) -> web.Response:
        arrived.append(request)
        if len(arrived) == 20:
            all_there.set()
        await all_there.wait()
        return web.Response(text="hello")

    arrived: list[web.Request] = []
    all_there = asyncio.Event()
    with serving(answer) as site:
        outcomes = send(site, Profile(name="x", requests=[Ask(path="/")]), 20, 1)

    # In a closed loop the first would wait for ever; here all wait for the last.
    assert [one.failure for one in outcomes] == [""] * 20
    first, last = min(outcomes), max(outcomes)
    assert first.took >= last.due - first.due


def test_what_is_no_page_counts_as_failed() -> None:
    async def answer(request: web.Request) -> web.Response:
        if request.path == "/closed/":
            assert request.transport
            request.transport.close()
        status = {"/moved/": 302, "/none/": 404, "/broken/": 503}.get(request.path, 200)
        return web.Response(status=status)

    paths = ["/", "/moved/", "/none/", "/broken/", "/closed/"]
    with serving(answer) as site:
        outcomes = send(site, Profile(name="x", requests=[Ask(path=p) for p in paths]), 10, 1)
    gone = Site("127.0.0.1", "orchard.example", scheme="http", port=1)
    refused = send(gone, Profile(name="x", requests=[Ask(path="/")]), 2, 1)

    assert Counter(one.failure for one in outcomes) == {
        "": 4,
        "status 404": 2,
        "status 503": 2,
        "ServerDisconnectedError": 2,
    }
    assert [one.failure for one in refused] == ["no connection"] * 2


def test_a_personal_visitor_keeps_cookies_and_sends_the_forms_token() -> None:
    seen: list[tuple[str, bool, str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        form = await request.post()
        token = request.headers.get("X-CSRFToken", "")
        seen.append((request.method, bool(request.cookies), token, str(form.get("text", ""))))
        response = web.Response(status=302 if form else 200)
        response.set_cookie("csrftoken", "a-token")
        return response

    note = Ask(path="/note/", method="POST", form={"text": "ripe"}, csrf=True)
    with serving(answer) as site:
        outcomes = send(site, Profile(name="x", requests=[note, Ask(path="/")]), 8, 1)

    posts = [one for one in seen if one[0] == "POST"]
    assert posts == [("POST", True, "a-token", "ripe")] * 4
    # Those who opened the form, and those who are anonymous, for ever.
    assert {one for one in seen if one[0] == "GET"} == {("GET", False, "", "")}
    assert [one.failure for one in outcomes] == [""] * 8


def test_a_form_without_a_token_is_refused_before_the_load() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=404)

    profile = Profile(name="x", requests=[Ask(path="/note/", method="POST", csrf=True)])
    with (
        serving(answer) as site,
        pytest.raises(LoadError, match=r"sets no cookie csrftoken \(status 404\)"),
        Senders(site, profile),
    ):
        pass


def test_a_page_that_is_not_there_is_refused_before_the_load() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=200 if request.path == "/" else 404)

    profile = Profile(name="mine", requests=[Ask(path="/"), Ask(path="/trees/9/", personal=True)])
    with (
        serving(answer) as site,
        pytest.raises(LoadError, match=r"GET /trees/9/ is answered with status 404"),
        Senders(site, profile),
    ):
        pass


def test_a_site_that_cannot_be_reached_is_refused_before_the_load() -> None:
    gone = Site("127.0.0.1", "orchard.example", scheme="http", port=1)

    with (
        pytest.raises(LoadError, match="cannot be reached"),
        Senders(gone, Profile(name="x", requests=[Ask(path="/")])),
    ):
        pass


def test_what_is_not_answered_in_time_is_abandoned() -> None:
    async def answer(request: web.Request) -> web.Response:
        answered.append(request)
        if len(answered) > 1:  # the first is the check before the load
            await asyncio.sleep(60)
        return web.Response()

    answered: list[web.Request] = []

    with (
        serving(answer) as site,
        Senders(site, Profile(name="x", requests=[Ask(path="/")])) as senders,
    ):
        outcomes, _, cut = senders.send(20, 0.5, 0.1, lambda *_: "")

    assert cut == ""
    assert [one.failure for one in outcomes] == ["not answered when the step was over"] * 10


def test_a_load_that_is_stopped_does_not_wait_for_the_last_answers() -> None:
    async def answer(request: web.Request) -> web.Response:
        answered.append(request)
        if len(answered) > 1:
            await asyncio.sleep(60)
        return web.Response()

    answered: list[web.Request] = []
    with (
        serving(answer) as site,
        Senders(site, Profile(name="x", requests=[Ask(path="/")])) as senders,
    ):
        began = time.monotonic()
        outcomes, _, cut = senders.send(
            20, 0.5, 50, lambda rows, sent, now: "enough" if now > 0.6 else ""
        )

    assert (len(outcomes), cut) == (10, "enough")
    assert time.monotonic() - began < 40


def test_no_process_outlives_the_one_that_made_it() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response()

    with serving(answer) as site:
        program = (
            "from espalier.load.processes import Senders; from espalier.load.site import Site\n"
            "from espalier.load.profile import Ask, Profile; import os, sys, signal\n"
            "senders = Senders(Site('127.0.0.1', 'orchard.example', 'http', int(sys.argv[1])),"
            " Profile(name='x', requests=[Ask(path='/')])).__enter__()\n"
            "print(senders.pids[0], flush=True)\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        ran = subprocess.run(
            [sys.executable, "-c", program, str(site.port)], capture_output=True, text=True
        )

    assert ran.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 10
    while runs(int(ran.stdout)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not runs(int(ran.stdout))


def test_processes_share_a_rate_and_can_be_told_to_end() -> None:
    asked: Counter[str] = Counter()

    async def answer(request: web.Request) -> web.Response:
        asked[request.path] += 1
        return web.Response()

    with (
        serving(answer) as site,
        Senders(site, Profile(name="x", requests=[Ask(path="/")])) as senders,
    ):
        senders.grow(2)
        outcomes, _, cut = senders.send(50, 1, 5, lambda *_: "")
        assert (len(outcomes), asked["/"], cut) == (50, 51, "")  # and the check before

        def enough(outcomes: list[Outcome], sent: int, now: float) -> str:
            return "enough" if outcomes else ""

        outcomes, _, cut = senders.send(50, 60, 5, enough)

    assert cut == "enough"
    assert 0 < len(outcomes) < 1000


def test_a_load_ends_when_it_is_stopped() -> None:
    async def answer(request: web.Request) -> web.Response:
        answered.append(request)
        if len(answered) > 1:
            stop.set()
        return web.Response()

    answered: list[web.Request] = []
    stop = threading.Event()
    with serving(answer) as site:
        load = run_load(
            site,
            Profile(name="all", requests=[Ask(path="/")]),
            Plan(start=20, seconds=60, warm_up=5),
            stop=stop,
            on_step=lambda step: None,
        )

    assert load.ended == "The load was stopped."
    assert load.steps == [] and load.knee is None and load.profile == "all"
