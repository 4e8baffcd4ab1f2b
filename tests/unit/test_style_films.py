"""Moving pictures: read safely, painted frame by frame, steady where nothing moves, with their sound and recipe."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from pipelines.base import Cancelled, Progress, Result
from pipelines.errors import StudioError
from pipelines.style import clips
from pipelines.style.clips import is_moving, look, poster
from pipelines.style.moving import steadied
from pipelines.style.pipeline import StylePipeline
from pipelines.style.request import StyleRequest
from studio.library.recipe import extract
from studio.library.recipe_films import first_frame, into_gif, into_mp4
from tests.unit.test_style_pipeline import DEVICE, events, loaded, result, saved, scene
from tests.unit.turns import FreeTurn

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def pipeline() -> StylePipeline:
    return loaded(DEVICE)


def gif(frames: int = 3) -> bytes:
    pictures = [scene(64, 48).rotate(10 * number) for number in range(frames)]
    return saved(pictures[0], "GIF", save_all=True, append_images=pictures[1:], duration=[70, 80, 90][:frames], loop=0)


@pytest.fixture(scope="module")
def video() -> bytes:
    """Six frames and half a second of a tone."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as target:
        pictures = target.add_stream("libx264", rate=12)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound = target.add_stream("aac", rate=8000)
        for number in range(6):
            frame = av.VideoFrame.from_ndarray(np.asarray(scene(64, 48).rotate(5 * number)), format="rgb24")
            target.mux(pictures.encode(frame))
        tone = (np.sin(np.arange(4096) / 5) * 9000).astype(np.int16)[None]
        heard = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        heard.sample_rate, heard.time_base, heard.pts = 8000, Fraction(1, 8000), 0
        target.mux(sound.encode(heard))
        target.mux(pictures.encode())
        target.mux(sound.encode())
    return out.getvalue()


def test_a_gif_is_painted_frame_by_frame_and_keeps_its_times(pipeline: StylePipeline, tmp_path: Path) -> None:
    seen = events(pipeline, tmp_path, gif(), what="film", style="red-weave")
    last = seen[-1]
    assert isinstance(last, Result)
    assert [event.done for event in seen if isinstance(event, Progress) and event.unit == "frame"] == [0, 1, 2, 3]
    film = Image.open(io.BytesIO(last.artifacts[0].data))
    assert (last.artifacts[0].media_type, film.n_frames, film.size) == ("image/gif", 3, (64, 48))  # type: ignore[attr-defined]
    assert film.info["duration"] == 70
    assert last.facts["frames"] == 3


def test_a_video_keeps_its_frames_its_times_and_its_sound(
    pipeline: StylePipeline, tmp_path: Path, video: bytes
) -> None:
    last = result(pipeline, tmp_path, video, what="film", style="ember-glow")
    (film,) = last.artifacts
    assert film.media_type == "video/mp4"
    with av.open(io.BytesIO(film.data), "r") as made, av.open(io.BytesIO(video), "r") as given:
        assert [frame.time for frame in made.decode(video=0)] == pytest.approx(
            [frame.time for frame in given.decode(video=0)], abs=1e-3
        )
    with av.open(io.BytesIO(film.data), "r") as made, av.open(io.BytesIO(video), "r") as given:
        heard, before = (
            np.concatenate([frame.to_ndarray() for frame in one.decode(audio=0)], axis=1) for one in (made, given)
        )
    np.testing.assert_array_equal(heard, before)


def test_a_film_that_is_finished_early_keeps_the_frames_there_are_and_a_cancel_ends_it(
    pipeline: StylePipeline, tmp_path: Path, video: bytes
) -> None:
    last = result(pipeline, tmp_path, video, what="film", style="ember-glow", turn=FreeTurn(tmp_path, finish_after=60))
    assert 0 < int(last.facts["frames"]) < 6
    with pytest.raises(Cancelled):
        events(pipeline, tmp_path, video, what="film", style="ember-glow", turn=FreeTurn(tmp_path, cancel_after=60))


def test_what_stands_still_keeps_its_paint_and_what_moves_gets_new() -> None:
    before, now = np.full((20, 40, 3), 90, np.uint8), np.full((20, 40, 3), 90, np.uint8)
    now[:, 24:] = 200
    old, new = np.full_like(now, 50), np.full_like(now, 150)
    out = steadied(now, new, before, old, 0.8)
    assert np.abs(out[:, :20].astype(int) - 70).max() <= 1
    assert (out[:, 28:] == 150).all()
    assert steadied(now, new, before, old, 0) is new


def test_a_still_picture_is_no_film_and_a_broken_one_is_a_sentence(video: bytes) -> None:
    with pytest.raises(StudioError, match="Nothing moves"):
        look(saved(scene()))
    for data in (
        video[:200],
        b"\0\0\0\x18ftypmp42" + b"x" * 99,
        b"\x1a\x45\xdf\xa3" + b"y" * 99,
        b"RIFF....AVI " + b"z" * 99,
    ):
        with pytest.raises(StudioError, match="damaged"):
            look(data)
    assert not is_moving(saved(scene()))
    assert is_moving(gif())


def test_a_list_of_other_files_is_never_opened() -> None:
    assert clips.format_of(b"#EXTM3U\nfile:///etc/passwd") is None
    assert clips.format_of(b"ffconcat version 1.0\nfile /etc/passwd") is None


def test_a_film_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "MOST_FRAMES", 2)
    with pytest.raises(StudioError, match=r"3 frames .* at most 2"):
        look(gif())


def test_a_film_is_not_painted_slowly() -> None:
    with pytest.raises(StudioError, match="fast engine"):
        StyleRequest.parse({"photo": "0" * 64, "style": "red-weave", "what": "film", "engine": "finest"})


def test_the_page_is_shown_the_first_frame(video: bytes) -> None:
    assert poster(video).size == first_frame(video).size == (64, 48)
    assert poster(gif()).size == (64, 48)


def test_a_recipe_is_found_again_in_a_gif_and_in_a_film(video: bytes) -> None:
    for data, put in ((gif(), into_gif), (video, into_mp4)):
        assert extract(data) is None
        said = put(data, '{"kind": "style", "words": "' + "long " * 200 + '"}')
        found = extract(said)
        assert found is not None
        assert found["kind"] == "style"
    assert Image.open(io.BytesIO(into_gif(gif(), "{}"))).n_frames == 3  # type: ignore[attr-defined]
