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
    """One curve: its name in ``Metrics.series``, a title, and the chart it belongs to.

    Charts are loss, accuracy, penalty, reconstruction, kl and units.
    """

    name: str
    title: str
    title_zh: str
    chart: str = "loss"


#: charts of what a healthy training keeps within bounds
BOUNDED = frozenset({"loss", "reconstruction", "kl"})


@dataclass(frozen=True)
class RecipeInfo:
    """A recipe as the page shows it.

    ``defaults`` replace the request's own defaults where a person gave no value, and ``plane`` these where it learns
    points in the plane; ``settings`` are the fields of ``TrainingRequest`` that this recipe looks at, in the order to
    show them; the others have no effect. ``limit``: a loss beyond this, or any value that is no number, counts as a
    spike and is rolled back. ``slopes``: its penalty is on the square of a slope, which grows with the pixels, as does
    its default weight (Karras et al. 2020, appendix B).
    """

    name: str
    title: str
    title_zh: str
    about: str
    about_zh: str
    series: tuple[Series, ...]
    settings: tuple[str, ...]
    defaults: Mapping[str, float | int] = field(default_factory=dict)
    plane: Mapping[str, float | int] = field(default_factory=dict)
    limit: float = 100.0  # a healthy logistic loss stays below 10
    slopes: bool = False

    @property
    def limits(self) -> tuple[float, ...]:
        """The largest sound value of each series; only losses have one."""
        return tuple(self.limit if series.chart in BOUNDED else math.inf for series in self.series)

    @property
    def steerable(self) -> tuple[str, ...]:
        """Those of the settings that may change while it trains."""
        return tuple(name for name in self.settings if name in STEERABLE)

    @property
    def adversarial(self) -> bool:
        """Whether there are two sides, each of which can take a step alone."""
        return "d_rate" in self.settings

    def defaults_at(self, size: int) -> Mapping[str, float | int]:
        """What it wants of the request where pictures have ``size`` pixels an edge; 1: points in the plane."""
        if size == 1:
            return {**self.defaults, **PLANE, **self.plane}
        wanted = {**self.defaults, **(LARGE if size >= 64 else {})}
        if self.slopes:
            wanted["gamma"] = round(self.defaults.get("gamma", 1.0) * (size / SMALL) ** 2, 1)
        return wanted


ADVERSARIAL = (
    Series("generator", "Generator loss", "生成器损失"),
    Series("discriminator", "Discriminator loss", "判别器损失"),
    Series("real_accuracy", "Real recognised", "真图判对率", "accuracy"),
    Series("fake_accuracy", "Fake recognised", "假图判对率", "accuracy"),
)
PENALTY = Series("penalty", "Gradient penalty", "梯度惩罚", "penalty")
VARIATIONAL = (
    Series("reconstruction", "Reconstruction (nats a picture)", "重建误差（每张 nat）", "reconstruction"),
    Series("kl", "KL (nats a picture)", "KL 散度（每张 nat）", "kl"),
    Series("active_units", "Active units", "活跃单元", "units"),
)
#: settings that may change while a training runs, and what they are called in the words of a mark
STEERABLE = {
    "learning_rate": "learning rate",
    "d_rate": "learning rate of D / G",
    "d_steps": "D updates per step",
    "gamma": "penalty weight",
    "penalty_every": "steps between penalties",
    "label_smoothing": "label smoothing",
    "instance_noise": "instance noise",
    "beta": "beta",
    "warmup": "warm-up",
    "free_bits": "free bits",
    "augment": "augmentation",
    "dynamic_rates": "dynamic learning rates",
    "sample_balance": "sample balance",
    "gradient_penalty": "gradient penalty",
    "averaging": "averaging",
    "cooling": "cooling",
}
SHARED = ("conditional", "width", "batch", "latent", "learning_rate", "averaging", "cooling")
RIVALS = (*SHARED, "d_rate", "d_steps", "instance_noise", "augment", "dynamic_rates", "sample_balance")
TARGETS = (*RIVALS, "label_smoothing")
SLOPES = ("gamma", "penalty_every")
ADDED = ("gradient_penalty", *SLOPES)  # for recipes that have no penalty of their own
#: points want wider, smaller networks, and steps are cheap
PLANE = {"width": 64, "batch": 128, "latent": 8}
LARGE = {"batch": 32}  # at 64 pixels and more, where a step takes long
SMALL = 28  # pixels: what the weights of the penalties were tried at

RECIPES = {
    info.name: info
    for info in (
        RecipeInfo(
            name="r1",
            title="R1 (default)",
            title_zh="R1（默认）",
            about="Non-saturating logistic loss with the R1 gradient penalty: steady, and quick on small pictures. "
            "Watch the two accuracies: 60 to 90 % is a fair game.",
            about_zh="非饱和逻辑损失加 R1 梯度惩罚：稳定，小图上见效快。看两条判对率：60% 到 90% 说明双方势均力敌。",
            series=(*ADVERSARIAL, PENALTY),
            settings=(*TARGETS, *SLOPES, "spectral_norm"),
            plane={"gamma": 0.05, "learning_rate": 2e-3},
            slopes=True,
        ),
        RecipeInfo(
            name="r3gan",
            title="R3GAN (relativistic, 2024)",
            title_zh="R3GAN（相对式，2024）",
            about="Each real picture is weighed against a fake one, with penalties on both (R1 and R2). "
            "Keeps many kinds of picture alive; watch that the penalty settles.",
            about_zh="每张真图与一张假图两两比较，两边都加梯度惩罚（R1 与 R2）。不容易丢掉种类；留意惩罚是否平稳下来。",
            series=(*ADVERSARIAL, PENALTY),
            settings=(*RIVALS, *SLOPES, "spectral_norm"),
            defaults={"learning_rate": 2e-3},
            plane={"gamma": 0.05},
            slopes=True,
        ),
        RecipeInfo(
            name="hinge",
            title="Hinge with spectral norm (2018)",
            title_zh="合页损失 + 谱归一化（2018）",
            about="The discriminator's layers may not stretch anything, and it learns only from pictures near the "
            "border. Watch its loss: at 2 it tells nothing apart, near 0 it has won.",
            about_zh="判别器各层不许放大差异，只从边界附近的图学习。看它的损失：2 表示分不出真假，接近 0 表示它赢了。",
            series=ADVERSARIAL,
            settings=(*RIVALS, *ADDED),
            defaults={"d_rate": 2.0},
        ),
        RecipeInfo(
            name="wgan-gp",
            title="WGAN-GP (2017)",
            title_zh="WGAN-GP（2017）",
            about="A critic measures how far fake pictures are from real ones, its slope held at 1; it learns several "
            "times a step, so steps are slow. Watch its loss: it falls at once and then rises towards 0 with quality.",
            about_zh="评论家衡量假图离真图有多远，梯度保持在 1；每步要学几次，所以较慢。"
            "看它的损失：先骤降，之后随画质改善回升到 0 附近。",
            series=(*ADVERSARIAL, PENALTY),
            settings=(*RIVALS, *SLOPES, "spectral_norm"),
            defaults={"learning_rate": 2e-3, "d_steps": 2, "gamma": 10.0, "penalty_every": 1},
            limit=10_000.0,  # a critic's scores have no scale of their own
        ),
        RecipeInfo(
            name="lsgan",
            title="LSGAN (least squares, 2017)",
            title_zh="LSGAN（最小二乘，2017）",
            about="Squares instead of logarithms: fakes are pulled towards the border even where they already pass. "
            "Watch for the discriminator's loss near 0: then the generator hears nothing.",
            about_zh="用平方代替对数：已经骗过去的假图也会被拉向边界。留意判别器损失接近 0：那时生成器什么也学不到。",
            series=ADVERSARIAL,
            settings=(*TARGETS, *ADDED, "spectral_norm"),
        ),
        RecipeInfo(
            name="dcgan",
            title="DCGAN (2015)",
            title_zh="DCGAN（2015）",
            about="The first convolutional one: transposed convolutions, batch normalisation, small steps. "
            "Slower to show garments; watch for checkerboards.",
            about_zh="最早的卷积做法：转置卷积、批归一化、小步长。成形较慢；留意棋盘状纹路。",
            series=ADVERSARIAL,
            settings=(*TARGETS, *ADDED),
            defaults={"learning_rate": 2e-4},
        ),
        RecipeInfo(
            name="dense-conv",
            title="Dense to 7 x 7 x 128, then convolutions",
            title_zh="全连接到 7×7×128 再卷积",
            about="The course exercise: one dense layer to a small map, then enlarge and convolve; cross entropy and "
            "nothing that holds the discriminator back. Watch it win after a while.",
            about_zh="课堂练习的做法：一个全连接层变成小特征图，再放大、卷积；交叉熵损失，没有任何约束判别器的手段。过一会儿它就会占上风。",
            series=ADVERSARIAL,
            settings=(*TARGETS, *ADDED, "spectral_norm"),
            defaults={"width": 32},
        ),
        RecipeInfo(
            name="classic",
            title="Classic dense GAN (2014)",
            title_zh="经典全连接 GAN（2014）",
            about="The textbook's: dense layers and cross entropy, and it misbehaves. "
            "Watch for speckled pictures, few kinds of them, and the discriminator far ahead.",
            about_zh="教科书版：全连接层加交叉熵，而且毛病很多。留意满是斑点的图、种类很少，以及判别器遥遥领先。",
            series=ADVERSARIAL,
            settings=(*TARGETS, *ADDED),
            defaults={"learning_rate": 2e-4, "width": 128, "latent": 100},
            plane={"width": 128, "latent": 100, "batch": 64},
        ),
        RecipeInfo(
            name="vae",
            title="VAE (variational autoencoder)",
            title_zh="VAE（变分自编码器）",
            about="No rival: pictures are packed into a few numbers and unpacked again, recognisable in seconds, a "
            "little soft. On the left pictures beside their copies; watch KL: near 0 the code says nothing.",
            about_zh="没有对手：把图压成几个数再还原，几秒可辨，略显模糊。"
            "左边是原图与重建；看 KL：接近 0 说明编码什么也没记住。",
            series=VARIATIONAL,
            settings=(*SHARED, "beta", "warmup", "free_bits"),
            defaults={"latent": 16},
            plane={"latent": 2, "learning_rate": 2e-3},
            limit=1e6,  # nats of a whole picture
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
