"""The colours of the report: text can be read by light and in the dark (WCAG 2.2, level AA)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from espalier.insight.report import page
from espalier.insight.report.chart_split import PIECES

CSS = Path(page.__file__).with_name("page.css").read_text()
LEAST = 4.5


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rgb` or `#rrggbb` (WCAG 2.2)."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * one for one in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def palettes() -> list[dict[str, str]]:
    """Return the colours by name: by light, in the dark, and on paper."""
    blocks = re.findall(r":root \{([^}]*)\}", CSS)
    return [dict(re.findall(r"--(\w+): (#\w+)", block)) for block in blocks]


def test_contrast_is_known() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#fff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("name", ["ink", "quiet", "main", "warn", "good"])
def test_text_stands_out(number: int, name: str) -> None:
    palette = palettes()[number]
    assert contrast(palette[name], palette["paper"]) >= LEAST
    assert contrast(palette["quiet"], palette["tint"]) >= LEAST


@pytest.mark.parametrize("look", [key for key, _ in PIECES])
def test_letters_stand_out_on_their_piece(look: str) -> None:
    fill = re.search(rf"\.piece\.{look} {{ fill: (#\w+)", CSS)
    letter = "#fff" if f".on-{look}" in CSS else "#1e2422"
    assert fill and contrast(letter, fill[1]) >= LEAST
    assert ".letter { font-weight: 600; fill: #1e2422; }" in CSS
    assert re.search(r"(\.on-\w+(, )?)+ \{ fill: #fff; \}", CSS)
