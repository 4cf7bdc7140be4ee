"""The report as a page: complete, well-formed, alone, and harmless whatever is in it."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree.ElementTree import Element

import pytest

from espalier.insight.report.given import Given
from espalier.insight.report.page import page
from tests.unit.insight.evidence_builder import priced

from .examples import ADVICE, APP_SERVERS, STATEMENTS, VIEWS, evidence, idle, limited, unknown

HOSTILE = "</pre></title><script>alert(1)</script><img src=x onerror=y> \" ' & \x1b[31m"


class Elements(HTMLParser):
    """The names of all elements, and what would load something."""

    def __init__(self) -> None:
        """Begin with none."""
        super().__init__()
        self.names: set[str] = set()
        self.loading: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a name, and attributes that name an address or are a script."""
        self.names.add(tag)
        for name, _ in attrs:
            if name in ("src", "href", "xlink:href", "srcset", "style") or name.startswith("on"):
                self.loading.append((tag, name))


def rendered(given: Given) -> Element:
    """Return the page's body: it is well-formed, has no script, and loads nothing."""
    text = page(given)
    elements = Elements()
    elements.feed(text)
    allowed = "html head meta title style body"
    assert not elements.names & {"script", "img", "link", "iframe", "object", "image", "use"}
    assert elements.names >= set(allowed.split()) and not elements.loading
    style = text.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style and "@import" not in style and "://" not in style
    return ElementTree.fromstring(text.split("</head>")[1].removesuffix("</html>"))


def told(body: Element) -> str:
    return " ".join("".join(body.itertext()).split())


def headings(body: Element) -> list[str]:
    return ["".join(one.itertext()) for one in body.iter("h2")]


def pieces(body: Element, name: str, look: str) -> list[str]:
    """Return the text of elements of a class."""
    found = [one for one in body.iter(name) if look in one.get("class", "").split()]
    return [" ".join("".join(one.itertext()).split()) for one in found]


def test_page_of_a_limit() -> None:
    body = rendered(limited())
    assert headings(body) == [
        ADVICE.sentence,
        "How much each part can take",
        "Where the time of a request goes",
        "Under a growing load",
        "What takes the time",
        "The machines over time",
        "What changes have brought",
    ]
    assert pieces(body, "dd", "value") == ["290 ms", "2,340", "99.96%", "100%"]
    assert pieces(body, "p", "verdict") == ["Bottleneck: application processor, vps1 · 92% sure"]
    words = told(body)
    assert "from 41 to 76 requests/s (68–82), ×1.85 (1.66–2.00)" in words  # noqa: RUF001
    assert "6.40 EUR a month; 3.05 EUR for each 1,000 requests per minute more" in words
    assert "Of 2 predictions, 1 had the gain within the interval" in words
    # Each drawing for two widths, and one of each machine.
    assert len([one for one in body.iter("svg") if one.get("class") == "wide"]) == 7
    assert len([one for one in body.iter("svg") if one.get("class") == "narrow"]) == 7
    assert len([one for one in body.iter("svg") if one.get("class") == "small"]) == 3


def test_costs_are_a_row_for_each_number_of_machines() -> None:
    body = rendered(replace(limited(), evidence=priced(web1=10.0, db1=20.0)))
    section = next(one for one in body.iter("section") if "would cost" in "".join(headings(one)))
    rows = [[told(cell) for cell in row] for row in section.iter("tr")]
    assert rows[1] == ["1", "40", "30.00 EUR", "12.50 EUR", "processor of web1"]
    assert len(rows) == 5


def test_the_change_is_a_diff_that_can_be_typed() -> None:
    body = rendered(limited())
    first = next(one for one in body.iter("figure") if one.get("class") == "edit")
    assert [one.text for one in first.iter("del")] == ["    tiers: []"]
    assert [one.text for one in first.iter("ins")] == list(APP_SERVERS.edits[0].added)
    assert (first[0].text, first[1][0].text) == ("hosts.yml", "  vars:\n")


def test_one_recommendation_is_open_and_others_are_folded() -> None:
    body = rendered(limited())
    section = next(one for one in body.iter("section") if one.get("class") == "first")
    folded = list(section.iter("details"))
    assert len(folded) == 3 and not any(one.get("open") for one in folded)
    assert "CREATE INDEX" in told(folded[1])
    outside = [one for one in section if one.tag != "details"]
    assert "CREATE INDEX" not in " ".join(map(told, outside))
    assert "app2" in " ".join(map(told, outside))


def test_page_of_a_site_that_needs_nothing() -> None:
    body = rendered(idle())
    assert pieces(body, "p", "verdict") == ["Nothing to change"]
    assert "Under a growing load" not in headings(body)
    assert "What changes have brought" not in headings(body)
    # 9 requests/s, and twice as many in the third of ten minutes.
    assert pieces(body, "dd", "value") == ["120 ms", "540", "100%", "22%"]
    assert "busiest minute 18" in told(body)
    assert "the first part is full on 14 March 2027" in told(body)


def test_page_without_timing_and_without_requests() -> None:
    body = rendered(unknown())
    assert headings(body)[1:] == ["Where the time of a request goes"]
    assert "No request came to Django" in told(body)
    assert pieces(body, "dd", "value") == ["not known", "0", "not known", "not known"]
    assert "pg_stat_statements could not be read" in told(body)


@pytest.mark.parametrize("place", ["view", "statement", "advice", "error"])
def test_hostile_words_are_text(place: str) -> None:
    given = limited()
    if place == "view":
        hostile = replace(VIEWS[0], name=HOSTILE, paths=(HOSTILE,), method=HOSTILE)
        given = replace(given, evidence=evidence(views=[hostile, *VIEWS[1:]]))
    elif place == "statement":
        one = STATEMENTS[0].model_copy(update={"text": HOSTILE, "origins": {HOSTILE: 1}})
        given = replace(given, evidence=evidence(statements=[one]))
    elif place == "advice":
        change = replace(
            APP_SERVERS,
            sentence=HOSTILE,
            then=[HOSTILE],
            where=HOSTILE,
            statement=HOSTILE,
            next_limit=HOSTILE,
            edits=[replace(APP_SERVERS.edits[0], added=[HOSTILE], file=HOSTILE)],
        )
        advice = replace(ADVICE, where=HOSTILE, currency=HOSTILE, change=change, others=[change])
        given = replace(given, advice=advice)
    else:
        machine = given.recording.machines["vps1"].model_copy(update={"errors": [HOSTILE]})
        site = given.recording.site.model_copy(update={"project": HOSTILE})
        changed = {"machines": {HOSTILE: machine}, "site": site, "environment": HOSTILE}
        given = replace(given, recording=given.recording.model_copy(update=changed))
    assert "<script>alert(1)</script>" in told(rendered(given))


def test_view_names_and_queries_are_in_the_page_once_folded() -> None:
    body = rendered(limited())
    texts = ["".join(one.itertext()) for one in body.iter("pre")]
    assert STATEMENTS[0].text in texts
    section = next(one for one in body.iter("section") if "What takes the time" in told(one))
    summaries = ["".join(one.itertext()) for one in section.iter("summary")]
    assert summaries[1] == "SELECT garden_tree 69%: 24,600 calls, 2.5 ms each"
    assert "cost 12% of what it costs now" in told(section)


def test_page_says_why_the_time_is_not_split() -> None:
    given = limited()
    older = replace(given, evidence=evidence(timing=False))
    assert "run espalier site, and measure again" in told(rendered(older))
    site = given.evidence.site.model_copy(update={"overlay": False})
    without = replace(given, evidence=evidence(timing=False, site=site))
    assert "does not use the kit's settings overlay" in told(rendered(without))


@pytest.mark.parametrize(
    ("cost", "shown"),
    [
        (0.0, "nothing a month: no machine is bought for it"),
        (-6.4, "saves 6.40 EUR a month"),
    ],
)
def test_cost(cost: float, shown: str) -> None:
    change = replace(APP_SERVERS, cost=cost)
    body = rendered(replace(limited(), advice=replace(ADVICE, change=change)))
    facts = next(one for one in body.iter("dl") if one.get("class") == "facts")
    terms = ["".join(one.itertext()) for one in facts]
    assert terms[terms.index("Cost") + 1] == shown


def test_names_in_sentences_are_code() -> None:
    advice = replace(ADVICE, evidence=["set `redis` <there>"])
    body = rendered(replace(limited(), advice=advice))
    (item,) = [one for one in body.iter("li") if "redis" in told(one)]
    assert (told(item), item[0].tag, item[0].text) == ("Set redis <there>.", "code", "redis")


def test_what_half_the_time_of_the_costliest_view_would_bring() -> None:
    # It takes 54.2% of the time: 1 / (1 - 0.271).
    assert "If garden:search took half of its time, the site could answer up to 1.37 times" in told(
        rendered(limited())
    )
