"""The example photos and style pictures of the repository, for the page. Imports no torch and opens no file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.style.styles import ASSETS

EXAMPLES = ASSETS / "examples"


@dataclass(frozen=True)
class Example:
    """A picture anyone may use; credits are in ``LICENCES.md`` beside it."""

    file: str
    en: str
    zh: str

    @property
    def path(self) -> Path:
        return EXAMPLES / self.file

    def name(self, language: str = "en") -> str:
        return self.zh if language.lower().startswith("zh") else self.en


PHOTOS = (
    Example("temple.jpg", "Temple by the lake", "湖畔楼阁"),
    Example("cat.jpg", "Cat", "猫"),
    Example("coffee.jpg", "Coffee", "咖啡"),
    Example("portrait.jpg", "Portrait of an astronaut", "宇航员肖像"),
    Example("rocket.jpg", "Rocket at night", "夜空火箭"),
    Example("flower.jpg", "Flower", "花"),
)

STYLE_PICTURES = (
    Example("styles/marbling.jpg", "Marbled ink", "水拓墨纹"),
    Example("styles/woodblock-waves.jpg", "Woodblock waves", "木版波浪"),
    Example("styles/leaded-glass.jpg", "Leaded glass", "铅条彩玻璃"),
    Example("styles/deep-field.jpg", "Deep sky", "深空"),
)
