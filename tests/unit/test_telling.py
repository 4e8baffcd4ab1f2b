"""How events leave a job: pictures by name, progress thinned for the eye."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from pipelines.base import Preview, Progress, Sample
from pipelines.pictures import webp
from studio.engine.messages import Emitted, Message
from studio.engine.telling import KEPT_PREVIEWS, Telling
from studio.store.workspaces import Workspace, Workspaces

PICTURE = webp(Image.new("RGB", (8, 8), "teal"))


def test_a_preview_is_still_there_for_a_page_that_is_a_moment_behind(tmp_path: Path) -> None:
    sent: list[Message] = []
    telling = Telling("job", Workspace(tmp_path), sent.append)
    for step in range(1, 41):
        telling.event(Preview(step, 40, PICTURE))
    names = [message.data["picture"]["file"] for message in sent if isinstance(message, Emitted)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names[-KEPT_PREVIEWS:]


def test_samples_stay_and_previews_go_at_the_next_start(tmp_path: Path) -> None:
    telling = Telling("job", Workspace(tmp_path / "job"), lambda _: None)
    telling.event(Preview(1, 2, PICTURE))
    telling.event(Sample(1, PICTURE))
    Workspaces(tmp_path).sweep_previews()
    assert [path.name for path in (tmp_path / "job").iterdir()] == ["sample-0000001.webp"]


def test_progress_is_thinned_and_its_last_word_and_every_new_stage_go_out(tmp_path: Path) -> None:
    sent: list[Message] = []
    telling = Telling("job", Workspace(tmp_path), sent.append)
    for done in range(1000):
        telling.event(Progress("loading", done, 1000))
    telling.event(Progress("training", 0, 10))
    telling.event(Progress("training", 1, 10))
    telling.flush()
    told = [(m.data["stage"], m.data["done"]) for m in sent if isinstance(m, Emitted)]
    assert len(told) < 20
    assert told[0] == ("loading", 0)
    assert ("loading", 999) in told
    assert told[-2:] == [("training", 0), ("training", 1)]
