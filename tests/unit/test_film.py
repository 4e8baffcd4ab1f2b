"""Films of many pictures, read back with PyAV and Pillow."""

from __future__ import annotations

import io
from pathlib import Path

import av
import pytest
from PIL import Image

from pipelines.errors import StudioError
from pipelines.film import STAYS, film, thinned

COLOURS = ("red", "lime", "blue", "white")


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    """Four plain pictures, the last one smaller."""
    paths = []
    for number, colour in enumerate(COLOURS):
        path = tmp_path / f"{number}.png"
        Image.new("RGB", (64, 64) if number < 3 else (33, 33), colour).save(path)
        paths.append(path)
    return paths


def test_an_mp4_shows_every_picture_in_order_and_stays_on_the_last(pictures: list[Path]) -> None:
    with av.open(io.BytesIO(film(pictures, "mp4", "four colours"))) as made:
        frames = [frame.to_image().getpixel((32, 32)) for frame in made.decode(video=0)]
        stream = made.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 64, 64)
        assert made.metadata["title"] == "four colours"
    nearest = [min(COLOURS, key=lambda colour: distance(colour, pixel)) for pixel in frames]
    assert list(dict.fromkeys(nearest)) == list(COLOURS)
    assert len(frames) == round(30 * (3 + STAYS))


def distance(colour: str, pixel: tuple[int, ...]) -> int:
    wanted = Image.new("RGB", (1, 1), colour).getpixel((0, 0))
    return sum(abs(one - other) for one, other in zip(wanted, pixel, strict=True))


def test_a_gif_shows_every_picture_for_the_same_time_and_the_last_longer(pictures: list[Path]) -> None:
    with Image.open(io.BytesIO(film(pictures, "gif"))) as made:
        lengths, middles = [], []
        for number in range(made.n_frames):
            made.seek(number)
            lengths.append(made.info["duration"])
            middles.append(made.convert("RGB").getpixel((32, 32)))
        assert (made.size, made.info["loop"]) == ((64, 64), 0)
    assert lengths == [750, 750, 750, 750 + 1000 * STAYS]
    assert [distance(colour, pixel) < 20 for colour, pixel in zip(COLOURS, middles, strict=True)] == [True] * 4


def test_a_smaller_picture_stands_in_the_middle_of_the_ground(pictures: list[Path]) -> None:
    with av.open(io.BytesIO(film(pictures, "mp4"))) as made:
        *_, last = (frame.to_image() for frame in made.decode(video=0))
    assert max(last.getpixel((4, 4))) < 60 < min(last.getpixel((32, 32)))


def test_of_too_many_pictures_some_are_left_out_but_neither_the_first_nor_the_last() -> None:
    paths = [Path(str(number)) for number in range(1000)]
    kept = thinned(paths, 600)
    assert (len(kept), kept[0], kept[-1]) == (600, paths[0], paths[-1])
    assert sorted(set(kept), key=paths.index) == kept


def test_one_picture_is_no_film(pictures: list[Path]) -> None:
    with pytest.raises(StudioError, match="at least two pictures, and there are 1"):
        film(pictures[:1], "mp4")
