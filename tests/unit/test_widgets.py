"""What people and models write never becomes markup, and the page's colours can be read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from studio.theme import COLOURS, STONE, TEAL
from studio.widgets import widget

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "assets" / "js").glob("*.js"))
STYLES = sorted((ROOT / "assets" / "css").glob("*.css"))
ICONS = re.findall(r'url\("assets/studio/([^"]+)"', (ROOT / "assets" / "css" / "icons.css").read_text(encoding="utf-8"))
HOSTILE = '</script><img src=x onerror="alert(1)">\u2028'


def test_what_is_fixed_in_a_widget_cannot_end_its_script() -> None:
    made = widget("choices", "some-id", choices=[{"title": HOSTILE}])
    assert made.js_on_load is not None
    assert "<" not in made.js_on_load
    assert "\u2028" not in made.js_on_load
    fixed = re.search(r"watch, (\{.*\})\);", made.js_on_load)
    assert fixed is not None
    assert json.loads(fixed[1]) == {"choices": [{"title": HOSTILE}]}


def test_a_value_is_no_part_of_a_template() -> None:
    made = widget("film", "some-id", [{"title": HOSTILE}])
    assert "${" not in made.html_template
    assert "{{" not in made.html_template


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_makes_markup_out_of_text(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
        assert word not in source


@pytest.mark.parametrize("path", [*SCRIPTS, *STYLES], ids=lambda path: path.name)
def test_nothing_is_loaded_from_another_host(path: Path) -> None:
    assert re.findall(r"(?:url\(|src=|href=|import |fetch\()[\"'(]*(?:https?:)?//", path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "name", re.findall(r'url\("assets/studio/([^"]+)"', (STYLES[0].parent / "icons.css").read_text())
)
def test_every_icon_is_there(name: str) -> None:
    assert (ROOT / "assets" / name).is_file()


# ------------------------------------------------------------------------------------------ contrast


def tokens(scheme: str) -> dict[str, str]:
    source = (ROOT / "assets" / "css" / "tokens.css").read_text(encoding="utf-8")
    block = source.split(".dark,")[0] if scheme == "light" else source.split(".dark,")[1]
    return dict(re.findall(r"--([a-z-]+):\s*(#[0-9a-f]{6})", block))


def luminance(colour: str) -> float:
    """Relative luminance of WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio of WCAG 2.2, 1 to 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


PAIRS = [
    *((ink, ground) for ink in ("ink", "ink-soft", "accent", "amber") for ground in ("bg", "surface", "sunken")),
    ("on-accent", "accent"),
    ("accent", "accent-soft"),
    ("amber-ink", "amber-soft"),
    ("danger", "danger-soft"),
    ("danger", "surface"),
]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground"), PAIRS)
def test_words_can_be_read_on_their_ground(scheme: str, ink: str, ground: str) -> None:
    colours = tokens(scheme)
    assert contrast(colours[ink], colours[ground]) >= 4.5


def resolved(value: str) -> str:
    """A colour of the theme, with its stars followed."""
    found = re.fullmatch(r"\*(primary|neutral)_(\d+)", value)
    return str(getattr(TEAL if found[1] == "primary" else STONE, f"c{found[2]}")) if found else value


def test_the_theme_and_the_style_sheet_have_the_same_colours() -> None:
    both = {name: (resolved(light), resolved(dark)) for name, light, dark in COLOURS}
    light, dark = tokens("light"), tokens("dark")
    for theme, token in (
        ("body_background_fill", "bg"),
        ("background_fill_primary", "surface"),
        ("body_text_color", "ink"),
        ("body_text_color_subdued", "ink-soft"),
        ("border_color_primary", "line"),
        ("button_primary_background_fill", "accent"),
        ("button_primary_text_color", "on-accent"),
    ):
        assert both[theme] == (light[token], dark[token]), theme


@pytest.mark.parametrize("which", [1, 2], ids=["light", "dark"])
def test_buttons_and_placeholders_can_be_read(which: int) -> None:
    both = {row[0]: resolved(row[which]) for row in COLOURS}
    for ink, ground in (
        ("button_primary_text_color", "button_primary_background_fill"),
        ("button_primary_text_color", "button_primary_background_fill_hover"),
        ("button_cancel_text_color", "button_cancel_background_fill"),
        ("button_secondary_text_color", "button_secondary_background_fill_hover"),
        ("input_placeholder_color", "input_background_fill"),
        ("block_info_text_color", "body_background_fill"),
    ):
        assert contrast(both[ink], both[ground]) >= 4.5, (ink, ground)
