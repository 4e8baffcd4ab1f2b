"""Which recipes there are: names, titles, default settings, what they plot. Plain data, no torch, for the page.

A recipe's code is in ``recipes`` and the modules it draws on; a test keeps the two tables in step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.errors import StudioError


@dataclass(frozen=True)
class Series:
    """One curve: its name in ``Metrics.series``, a title, and the chart it belongs to (loss, accuracy or penalty)."""

    name: str
    title: str
    title_zh: str
    chart: str = "loss"


@dataclass(frozen=True)
class RecipeInfo:
    """A recipe as the page shows it.

    ``defaults`` replace the request's own defaults where a person gave no value; ``settings`` are the fields of
    ``TrainingRequest`` that this recipe looks at, in the order to show them; the others have no effect.
    ``limit``: a loss beyond this, or any value that is no number, counts as a spike and is rolled back.
    """

    name: str
    title: str
    title_zh: str
    about: str
    about_zh: str
    series: tuple[Series, ...]
    settings: tuple[str, ...]
    defaults: Mapping[str, float | int] = field(default_factory=dict)
    limit: float = 100.0  # a healthy logistic loss stays below 10

    @property
    def limits(self) -> tuple[float, ...]:
        """The largest sound value of each series; only losses have one."""
        return tuple(self.limit if series.chart == "loss" else math.inf for series in self.series)


ADVERSARIAL = (
    Series("generator", "Generator loss", "生成器损失"),
    Series("discriminator", "Discriminator loss", "判别器损失"),
    Series("real_accuracy", "Real recognised", "真图判对率", "accuracy"),
    Series("fake_accuracy", "Fake recognised", "假图判对率", "accuracy"),
)
PENALTY = Series("penalty", "Gradient penalty", "梯度惩罚", "penalty")
SHARED_SETTINGS = ("width", "batch", "latent", "learning_rate")

RECIPES = {
    info.name: info
    for info in (
        RecipeInfo(
            name="r1",
            title="R1 (default)",
            title_zh="R1（默认）",
            about="Non-saturating logistic loss with the R1 gradient penalty: steady, and quick on small pictures.",
            about_zh="非饱和逻辑损失加 R1 梯度惩罚：稳定，小图上见效快。",
            series=(*ADVERSARIAL, PENALTY),
            settings=(*SHARED_SETTINGS, "gamma", "penalty_every"),
        ),
        RecipeInfo(
            name="dcgan",
            title="DCGAN (2015)",
            title_zh="DCGAN（2015）",
            about="The classic: transposed convolutions, batch normalisation, small steps. Slower to show garments.",
            about_zh="经典做法：转置卷积、批归一化、小步长；成形较慢。",
            series=ADVERSARIAL,
            settings=SHARED_SETTINGS,
            defaults={"learning_rate": 2e-4},
        ),
    )
}


def recipe_info(name: str) -> RecipeInfo:
    """The recipe called ``name``; a ``StudioError`` that names the known ones where there is none."""
    if name not in RECIPES:
        raise StudioError(
            "training.recipe",
            "There is no training recipe named {name}; there are {known}.",
            name=name[:60],
            known=", ".join(RECIPES),
        )
    return RECIPES[name]
