"""The judge and what it measures: what it may not see, that it learns, and figures that are known beforehand."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from pipelines.errors import StudioError
from pipelines.sticker import evaluate
from pipelines.sticker.candidate import Candidate
from pipelines.sticker.captions import name_of
from pipelines.sticker.data import StickerData
from pipelines.sticker.drawings import STYLES, Drawing
from pipelines.sticker.evaluate import Evaluation
from pipelines.sticker.exam import Exam
from pipelines.sticker.examples import gather
from pipelines.sticker.exhibits import STRIP, captioned, side_by_side
from pipelines.sticker.held_out import NEW, is_held_out
from pipelines.sticker.judge import StickerJudge, is_held_back, look, open_judge
from pipelines.sticker.judge_training import SEED, HeldBack, JudgeStage, LearnedData, Lessons, changed
from pipelines.sticker.loading import open_stickers
from pipelines.sticker.pairs import to_signed
from pipelines.sticker.trainer import Trainer
from tests.stickers import WIDTH, tiny_stickers

CPU = torch.device("cpu")
#: pizza, crab, tree, gift, bell and carrot are held back from the judge
NAMES = ("dog", "cat", "fish", "fox", "rose", "train", "robot", "pizza", "crab", "tree", "gift", "bell", "carrot")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module", autouse=True)
def few_pairs() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.sticker.examples.PAIRS", 30)
        patch.setattr("pipelines.sticker.judge_training.OTHERS", 64)
        yield


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> StickerData:
    """Each name a pattern of 4 x 4 squares, drawn in a shade of its own in each style; as ``data`` would write it."""
    folder = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    patterns = random.random((len(NAMES), 4, 4)) < 0.5
    drawings, large = [], []
    for style in STYLES:
        for name, pattern in zip(NAMES, patterns, strict=True):
            drawings.append(Drawing(style, name, name, ("thing", f"{name} thing"), "", (), "objects", "tool"))
            colour = np.array([130, 70, random.integers(0, 40), 255])  # brown, which no new combination is
            large.append(np.kron(pattern[..., None] * colour, np.ones((64, 64, 1))).astype(np.uint8))
    facts = {"drawings": [drawing.facts() for drawing in drawings]}
    (folder / "drawings.json").write_text(json.dumps(facts), "utf-8")
    np.save(folder / "pictures-64.npy", np.stack(large)[:, ::4, ::4])
    with zipfile.ZipFile(folder / "pictures-256.zip", "w") as archive:
        for number, picture in enumerate(large):
            file = io.BytesIO()
            Image.fromarray(picture).save(file, "PNG")
            archive.writestr(f"{number}.png", file.getvalue())
    return StickerData(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("stickers")
    return tiny_stickers(root / "model", root / "encoder"), root / "encoder"


@pytest.fixture(scope="module")
def candidate(model: tuple[Path, Path]) -> Candidate:
    pipe = open_stickers(*model, CPU, torch.float32)
    pipe.set_progress_bar_config(disable=True)
    return Candidate(pipe, steps=1)


def tiny_judge() -> StickerJudge:
    torch.manual_seed(0)
    return StickerJudge(widths=(8, 8, 16), depth=(1, 0, 0), joint=16, text_width=WIDTH)


@pytest.fixture(scope="module")
def judge_stage(data: StickerData, candidate: Candidate) -> Any:
    pipe = candidate.pipe
    check = HeldBack(data, pipe.tokenizer, pipe.text_encoder)
    lessons = Lessons(gather(LearnedData(data.folder), SEED), check.names, pipe.tokenizer, pipe.text_encoder)
    return lambda: JudgeStage(lessons, check, CPU, batch=16, rate=1e-2, net=tiny_judge())


def test_about_a_tenth_of_all_names_is_held_back_always_the_same() -> None:
    names = [f"thing {number}" for number in range(2000)]
    held = [name for name in names if is_held_back(name)]
    assert 0.07 < len(held) / len(names) < 0.13
    assert held == [name for name in names if is_held_back(name)]
    assert is_held_back("pizza")
    assert not is_held_back("dog")


def test_nothing_held_back_is_among_the_lessons(judge_stage: Any, data: StickerData) -> None:
    lessons = judge_stage()._lessons
    words = {word for sentence in lessons.sentences for word in sentence.replace(",", "").split()}
    held = {name for name in NAMES if is_held_back(name)}
    assert len(held) > 2
    assert not held & words
    assert {"dog", "train"} <= words
    assert not any(is_held_out(set(sentence.split())) for sentence in lessons.sentences)
    kept = {name_of(drawing) for drawing in LearnedData(data.folder).drawings}
    assert kept == set(NAMES) - held


def test_a_name_held_back_is_not_told_by_another_drawing_either(candidate: Candidate, data: StickerData) -> None:
    pipe = candidate.pipe
    lessons = Lessons(gather(LearnedData(data.folder)), ["thing"], pipe.tokenizer, pipe.text_encoder)
    assert "thing" not in lessons.sentences
    assert "dog, thing" in lessons.sentences


def test_what_else_may_be_said_of_a_picture_is_known(judge_stage: Any) -> None:
    lessons = judge_stage()._lessons
    random = torch.Generator().manual_seed(0)
    places = lessons.draw(20, random)
    said = lessons.said(places, random)
    fits = lessons.fits(places, said)
    assert bool(fits.diagonal().all())
    for row, place in enumerate(places.tolist()):
        mine = {lessons.sentences[number] for number in lessons._said[place].tolist()}
        assert fits[row].tolist() == [lessons.sentences[number] in mine for number in said.tolist()]


def test_the_judge_learns_to_name_pictures_and_styles(judge_stage: Any, tmp_path: Path) -> None:
    trainer = Trainer(judge_stage(), tmp_path, decay=0.9)
    losses = []
    for _ in range(4):
        for _ in range(15):
            trainer.advance()
        losses.append(trainer.loss())
    assert losses[-1] < 0.8 * losses[0]
    assert all(0 <= share <= 1 for share in trainer.stage.score(trainer.average))  # type: ignore[attr-defined]
    trainer.draw()
    assert len(list(tmp_path.glob("judge-*.webp"))) == 1


def test_a_judge_killed_while_it_learns_goes_on_as_if_it_had_not_been(judge_stage: Any, tmp_path: Path) -> None:
    whole = Trainer(judge_stage(), tmp_path / "whole")
    for _ in range(4):
        whole.advance()
    killed = Trainer(judge_stage(), tmp_path / "killed")
    for _ in range(2):
        killed.advance()
    killed.save()
    killed.advance()  # this step is lost to the kill
    again = Trainer(judge_stage(), tmp_path / "killed")
    assert again.resume()
    for _ in range(2):
        again.advance()
    for one, other in zip(whole.average.parameters(), again.average.parameters(), strict=True):
        assert torch.equal(one, other)


def test_pictures_are_changed_a_little_and_only_mirrored_where_that_is_true() -> None:
    pictures = torch.zeros(64, 4, 64, 64, dtype=torch.uint8)
    pictures[:, :, 16:48, 8:24] = 255  # on the left
    found = changed(pictures, torch.arange(64) < 32, torch.Generator().manual_seed(0))
    assert found.shape == pictures.shape
    assert float(found.abs().max()) <= 1
    on_the_left = found[..., :32].mean((1, 2, 3)) > found[..., 32:].mean((1, 2, 3))
    assert 5 < int(on_the_left[:32].sum()) < 27
    assert bool(on_the_left[32:].all())
    assert not torch.equal(found[40], found[41])


def test_a_judge_comes_back_from_its_folder_and_says_the_same(tmp_path: Path, data: StickerData) -> None:
    with pytest.raises(StudioError, match="There is no judge in"):
        open_judge(tmp_path, CPU)
    judge = tiny_judge().eval()
    judge.save_pretrained(tmp_path)
    pictures = torch.from_numpy(data.pictures[:9])
    before, after = look(judge, pictures, batch=4), look(open_judge(tmp_path, CPU), to_signed(pictures))
    assert before.features.shape == (9, 16)
    torch.testing.assert_close(before.vectors.norm(dim=1), torch.ones(9))
    for name in ("features", "vectors", "styles"):
        torch.testing.assert_close(getattr(before, name), getattr(after, name))


def test_the_exam_asks_for_every_style_alike_and_never_shares_a_drawing(data: StickerData) -> None:
    exam = Exam(data, size=30, repeats=2)
    asked, other = exam.halves
    assert len(asked) == len(other) == 30
    assert not set(asked) & set(other)
    for side in (asked, other):
        assert set(Counter(data.drawings[number].style for number in side).values()) == {6}
    names = exam.names(exam.known)
    assert exam.known == asked[: len(names)]
    assert len(set(names)) == len(names)
    assert all(is_held_back(name) for name in exam.names(exam.held_back))
    new = exam.new()
    assert [each.caption for each in new] == [*NEW, *NEW]
    assert Counter(each.style for each in new[:100]) == dict.fromkeys(STYLES, 20)
    assert all(one.style != two.style for one, two in zip(new[:100], new[100:], strict=True))
    assert len({each.seed for each in (*new, *exam.asked())}) == 230


def test_new_combinations_are_made_of_real_drawings_where_there_are_such(data: StickerData) -> None:
    made = Exam(data).constructed()
    assert {"purple dog", "green cat", "cat and pizza"} <= set(made)
    assert "blue strawberry" not in made
    assert "sad dog" not in made
    red, green, blue, _ = made["blue fox"][:, made["blue fox"][3] > 0].mean(1).tolist()
    assert blue > red
    assert blue > green


def test_stickers_follow_from_their_own_seed_in_any_company(candidate: Candidate, data: StickerData) -> None:
    wanted = Exam(data, size=30).asked()[:12]
    together, alone = candidate.draw(wanted), candidate.draw(wanted[7:8])
    assert together.shape == (12, 4, 64, 64)
    assert (together[7] - alone[0]).abs().max() < 0.02


def test_a_model_that_draws_the_real_drawings_scores_as_they_do(candidate: Candidate, data: StickerData) -> None:
    evaluation = Evaluation(candidate, tiny_judge().eval(), Exam(data, size=30, repeats=1))
    exam = evaluation.exam
    evaluation.__dict__["drawn"] = to_signed(torch.from_numpy(data.pictures[exam.halves[0]]))
    training = candidate.redraw(evaluation.gathered.pictures[:100]).float() / 127.5 - 1
    evaluation.__dict__["new"] = (exam.new(), training)
    figures = evaluation.captions() | evaluation.distance() | evaluation.copies()
    assert figures["known_r1"] == figures["real_r1"]
    assert figures["fd"] > 0
    assert 0.2 < figures["fd_over_floor"] < 5  # of thirty pictures a side
    assert figures["copies"] == 1
    assert figures["copies_distance"] == pytest.approx(0, abs=1e-3)
    assert figures["new_seen"] == 0


def test_the_command_says_its_figures_and_leaves_sheets(
    model: tuple[Path, Path],
    data: StickerData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tiny_judge().save_pretrained(tmp_path / "judge")
    folders = {"model": model[0], "encoder": model[1], "judge": tmp_path / "judge", "data": data.folder}
    words = [word for name, folder in folders.items() for word in (f"--{name}", str(folder))]
    more = ["--steps", "1", "--threads", "1", "--quick", "--out", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", ["evaluate", *words, *more])
    evaluate.main()
    said = capsys.readouterr().out.splitlines()
    assert len(said) == len(evaluate.WORDS) + 1
    figures = json.loads(said[-1])
    assert {
        "known_r1_over_real", "new_r1_over_real", "style_accuracy", "fd_over_floor", "copies", "psnr_gain_db",
        "known_r1", "new_r1", "real_r1", "real_r1_held_out", "fd", "floor", "psnr", "psnr_bicubic", "copies_new",
        "seconds", "threads", "steps", "guidance",
    } <= set(figures)  # fmt: skip
    assert figures["steps"] == 1
    assert figures["psnr_gain_db"] == pytest.approx(figures["psnr"] - figures["psnr_bicubic"], abs=1e-3)
    sheets = {path.stem for path in (tmp_path / "out").glob("*.webp")}
    assert sheets == {"known", "new", "nearest", "upscaler"}


def test_a_sheet_has_a_strip_for_the_words_and_cuts_what_does_not_fit() -> None:
    pictures = torch.rand(5, 4, 64, 64) * 2 - 1
    long = "a word that is extraordinarilylongandhasnospaces " * 3
    assert captioned(pictures, ["dog", long, "", "cat", "two words"], 2, 96).size == (192, 3 * (96 + STRIP))
    both = side_by_side([pictures[:2], pictures[2:4]], ["a", "b", "c", "d"], 4, 64)
    in_turn = captioned(pictures[[0, 2, 1, 3]], ["a", "b", "c", "d"], 4, 64)
    assert np.array_equal(np.asarray(both), np.asarray(in_turn))
