"""What a load asks for."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from espalier.insight.recording import Machine, Recording, Request, SiteFacts
from espalier.inventory.site import SiteError
from espalier.load.profile import Ask, Profile, fill, profile_from, read_profile


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "visitors.yml"
    file.write_text(text)
    return file


def test_a_file_gives_requests_with_their_weights(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        "requests:\n"
        "  - {path: '/trees/{1..3}/', weight: 8}\n"
        "  - {path: '/search/?q=a', personal: true}\n"
        "  - {path: /note/, method: POST, form: {kilograms: 3, text: hello}, csrf: true}\n",
    )

    profile = read_profile(file)

    assert profile == Profile(
        name="visitors",
        requests=[
            Ask(path="/trees/{1..3}/", weight=8),
            Ask(path="/search/?q=a", weight=1, personal=True),
            Ask(
                path="/note/",
                method="POST",
                form={"kilograms": "3", "text": "hello"},
                csrf=True,
            ),
        ],
    )
    assert [ask.keeps_cookies for ask in profile.requests] == [False, True, True]
    assert [ask.path for ask in profile.writes] == ["/note/"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("requests: [{path: 'https://example.org/'}]", "requests.1.path: https://example.org/ is"),
        ("requests: [{path: //example.org/}]", "requests.1.path: //example.org/ is no path"),
        ("requests: [{path: /}, {path: '/{9..1}/'}]", "requests.2.path: the range {9..1} ends"),
        ("requests: [{path: '/{a}/'}]", "has braces that are no range"),
        ("requests: [{path: /, weight: 0}]", "requests.1.weight: Input should be greater than 0"),
        ("requests: [{path: /, wieght: 2}]", "requests.1.wieght: there is no such key"),
        ("requests: [{path: /, form: {a: b}}]", "a GET sends no form: add `method: POST`"),
        ("requests: []", "requests: List should have at least 1 item"),
        ("name: x", "requests: this is missing"),
        ("source: links\nrequests: [{path: /}]", "source: there is no such key"),
        ("- /", "is no profile. It needs at least"),
        ("requests: [", "is no YAML"),
    ],
)
def test_a_wrong_file_is_refused_with_the_place(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SiteError) as refused:
        read_profile(written(tmp_path, text))

    assert sentence in str(refused.value)
    assert refused.value.status == 2


def test_ranges_are_drawn_anew_for_each_request() -> None:
    dice = random.Random(1)

    drawn = {fill("/trees/{1..3}/", dice) for _ in range(100)}

    assert drawn == {"/trees/1/", "/trees/2/", "/trees/3/"}
    assert len({fill("{uuid}", dice) for _ in range(10)}) == 10


def test_each_request_is_drawn_as_often_as_its_weight_says() -> None:
    profile = Profile(
        name="x",
        requests=[Ask(path="/a", weight=7), Ask(path="/b", weight=2), Ask(path="/c", weight=1)],
    )

    chosen = profile.draw(100, random.Random(5))

    assert Counter(chosen) == {0: 70, 1: 20, 2: 10}
    assert chosen != sorted(chosen)
    assert profile.draw(0, random.Random(5)) == []


def request(path: str, status: int = 200, method: str = "GET", personal: bool = False) -> Request:
    return Request(
        *(1.0, path, "", method, status, 100, 0.1, 0.1, 0.0, "", personal, "", "", None),
        *(0.0, 0.0, 0.0, 0, 0, 0, 0.0, 0.0, 0, 0, 0.0, 0),
    )


def recorded(*requests: Request, every: int = 1) -> Recording:
    machine = Machine(
        cores=1, memory_mb=1000, services=["nginx"], requests=list(requests), every=every
    )
    return Recording(
        id="20261201-041500-3f2a",
        made="2026-12-01T04:15:00Z",
        kit="0",
        environment="lab",
        purpose="measure",
        began=0,
        ended=10,
        site=SiteFacts(project="x", tiers=[], duties={}, services={}),
        machines={"vps1": machine},
    )


def test_a_recording_gives_what_was_read_by_how_often() -> None:
    recording = recorded(
        *[request("/")] * 3,
        request("/", personal=True),
        request("/old/", 302),
        request("/gone/", 404),
        request("/note/", 302, "POST"),
        request("/reset/*/"),
        request("//example.org/"),
        every=10,
    )

    profile = profile_from(recording)

    assert [(ask.path, ask.weight, ask.personal) for ask in profile.requests] == [
        ("/", 30, False),
        ("/", 10, True),
        ("/old/", 10, False),
    ]
    assert profile.source == "recording"
    assert any(note.startswith("29% of the requests are left out") for note in profile.notes)


def test_a_recording_gives_no_more_than_500_paths() -> None:
    often = [request(f"/{number}/") for number in range(501)] + [request("/500/")]

    profile = profile_from(recorded(*often))

    assert len(profile.requests) == 500
    assert profile.requests[0].path == "/500/"
    assert "The 1 paths that were asked for least are left out." in profile.notes


def test_a_recording_without_a_read_gives_no_profile() -> None:
    with pytest.raises(SiteError, match="record for longer"):
        profile_from(recorded(request("/a", 500)))
