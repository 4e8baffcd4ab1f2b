"""Moderation: rules over folded words, a file that is read again, roles, and real classifiers with random weights."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    PreTrainedTokenizerFast,
    ViTConfig,
    ViTForImageClassification,
)

from pipelines.base import Artifact
from pipelines.errors import StudioError
from pipelines.moderation import Judges, Look, Policy, frames
from studio.moderation.rules import NAME, RuleFile
from studio.services import Studio, open_studio
from studio.settings import ASSETS, Moderated
from tests.studios import settings, wait_for, wait_state

EXAMPLE = ASSETS / NAME
RULES = """
[[rule]]
name = "explosives"
[rule.words]
en = ["make a bomb", "grenade*"]
zh = ["制作炸弹"]
"""


@pytest.fixture
def rules(tmp_path: Path) -> RuleFile:
    (tmp_path / NAME).write_text(RULES, encoding="utf-8")
    return RuleFile(tmp_path / NAME, EXAMPLE)


@pytest.mark.parametrize(
    "text",
    [
        "how to make a bomb", "MAKE  A\nBOMB!", "ｍａｋｅ ａ ｂｏｍｂ", "m a k e a b o m b", "make a b0mb",
        "make a b.o.m.b", "to make a b o m b", "mаke а bоmb", "make a b\u200bo\u200bmb", "make a bo-mb",
        "make a booooomb", "mäke å bömb", "two grenades", "g r e n a d e", "请教我制作炸弹", "制 作 炸 弹",
        "制，作*炸弹", "𝗺𝗮𝗸𝗲 𝗮 𝗯𝗼𝗺𝗯",
    ],
)  # fmt: skip
def test_easy_tricks_with_spaces_case_width_and_look_alikes_do_not_help(rules: RuleFile, text: str) -> None:
    broken = rules.broken_by(text)
    assert broken is not None
    assert broken.name == "explosives"


@pytest.mark.parametrize(
    "text",
    [
        "make a bombastic speech",
        "a pomegranate",
        "make album art",
        "作炸弹",
        "制作一个弹簧",
        "80 MB",
        "",
        "make a b",
        "a room b",
    ],
)
def test_words_that_only_look_alike_are_taken(rules: RuleFile, text: str) -> None:
    assert rules.broken_by(text) is None


@pytest.mark.parametrize(
    "text",
    ["a red fox in the snow", "a glossy strawberry sticker", "雪山上的小狐狸", "portrait of a lady, oil on canvas",
     "Write a short story about a detective in Essex", "a category of pigeons", "做一个蛋糕"],
)  # fmt: skip
def test_the_rules_that_ship_take_what_people_usually_ask_for(text: str, tmp_path: Path) -> None:
    assert RuleFile(tmp_path / NAME, EXAMPLE).broken_by(text) is None


def test_a_changed_file_holds_at_once_and_a_broken_one_changes_nothing_and_says_why(tmp_path: Path) -> None:
    path = tmp_path / NAME
    rules = RuleFile(path, EXAMPLE)
    assert rules.broken_by("make a spoon") is None
    path.write_text(RULES.replace("make a bomb", "make a spoon"), encoding="utf-8")
    assert rules.broken_by("make a spoon") is not None
    for broken in ('[[rule]]\nname = "x', '[[rule]]\nname = "x"\n[rule.words]\nen = ["a"]\n', "surprise = 1\n"):
        path.write_text(broken, encoding="utf-8")
        assert rules.broken_by("make a spoon") is not None
        assert rules.problem is not None
        assert NAME in str(rules.problem)
    path.write_text(RULES, encoding="utf-8")
    assert rules.broken_by("make a spoon") is None
    assert rules.problem is None
    path.unlink()
    assert len(rules.rules.rule) > 1


# -------------------------------------------------------------------------------------------- classifiers


@pytest.fixture(scope="module")
def text_judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of one small layer that finds every text with the word bad in it bad, as its bias says otherwise."""
    folder = tmp_path_factory.mktemp("text")
    words = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "good": 4, "bad": 5}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=6, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=32, id2label={0: "fine", 1: "threat"}, label2id={"fine": 0, "threat": 1},
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def picture_judge(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("picture")
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=16,
        id2label={0: "normal", 1: "nsfw"}, label2id={"normal": 0, "nsfw": 1},
    )  # fmt: skip
    ViTForImageClassification(config).save_pretrained(folder)
    wanted = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(wanted))
    return folder


def look(folder: Path, label: str, threshold: float) -> Look:
    return Look(str(folder), (label,), threshold, "a rule")


def picture(color: str = "red") -> Artifact:
    out = io.BytesIO()
    Image.new("RGB", (50, 40), color).save(out, "PNG")
    return Artifact("p.png", "image/png", out.getvalue())


def test_a_text_classifier_refuses_from_its_threshold_on_and_reads_to_the_end(text_judge: Path) -> None:
    judges = Judges()
    chance = judges._judge(str(text_judge), _kind("TextJudge")).scores("bad good")["threat"]
    judges.check_text(look(text_judge, "threat", min(1, chance + 0.05)), ["bad good", ""])
    with pytest.raises(StudioError, match="a rule"):
        judges.check_text(look(text_judge, "threat", chance - 0.05), ["bad good"])
    with pytest.raises(StudioError, match="a rule"):
        judges.check_text(look(text_judge, "threat", 0.001), ["", "good " * 2000])


def _kind(name: str) -> object:
    import pipelines.moderation

    return getattr(pipelines.moderation, name)


def test_a_picture_classifier_looks_at_pictures_and_at_frames_of_what_moves(picture_judge: Path) -> None:
    judges = Judges()
    judges.check_pictures(look(picture_judge, "nsfw", 0.999), [picture(), Artifact("t.txt", "text/plain", b"bad")])
    with pytest.raises(StudioError, match="not shown and was not kept"):
        judges.check_pictures(look(picture_judge, "nsfw", 0.001), [picture()])
    out = io.BytesIO()
    shades = [Image.new("RGB", (20, 20), (number * 20, 0, 0)) for number in range(9)]
    shades[0].save(out, "GIF", save_all=True, append_images=shades[1:])
    assert len(frames(Artifact("m.gif", "image/gif", out.getvalue()))) == 5


def test_a_rule_that_names_no_label_of_the_classifier_says_so_and_lets_nothing_through(picture_judge: Path) -> None:
    with pytest.raises(StudioError, match="knows normal, nsfw"):
        Judges().check_pictures(look(picture_judge, "rude", 0.5), [picture()])


# -------------------------------------------------------------------------------------------- in the studio


@pytest.fixture
def moderated(
    tmp_path: Path, database_url: str, picture_judge: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Studio]:
    """A studio that looks after everybody; without accounts everybody administers."""
    (tmp_path / NAME).write_text(RULES, encoding="utf-8")
    looked_after = Moderated(administrator=True)
    studio = open_studio(settings(tmp_path, engine="inline", database=database_url, moderation=looked_after))
    policy = Policy(picture=look(picture_judge, "nsfw", 0.001))
    monkeypatch.setattr(studio.moderation, "policy", lambda _owner: policy)
    studio.start()
    wait_for(lambda: studio.jobs.status().worker == "ready", 60)
    yield studio
    studio.close()


def test_a_refused_prompt_becomes_no_job_and_is_in_the_log_without_its_words(moderated: Studio) -> None:
    with pytest.raises(StudioError, match="explosives"):
        moderated.submit("ann", "text", {"prompt": "how to make a b o m b"})
    with pytest.raises(StudioError, match="explosives"):
        moderated.submit("ann", "text", {"prompt": "go on", "history": [("user", "Make a bomb")]})
    assert moderated.jobs.list("ann") == []
    assert moderated.moderation.counts() == [("moderation.prompt", "explosives · text", 2)]
    assert all("b o m b" not in entry.subject for entry in moderated.accounts.audit.last())


def test_what_is_not_wanted_may_be_named(moderated: Studio) -> None:
    moderated.moderation.check("ann", "image", {"prompt": "a fox", "negative_prompt": "grenade"})


def test_a_refused_picture_is_neither_kept_nor_shown_and_its_job_ends_with_a_sentence(moderated: Studio) -> None:
    photo = moderated.library.keep_upload("ann", picture("teal").data)
    before = set(moderated.library.blobs.digests())
    job = moderated.submit("ann", "style", {"photo": photo, "style": "indigo-waves"})
    ended = wait_state(moderated, job, "failed", "done")
    assert ended.error is not None
    assert ended.error.key == "moderation.picture"
    assert moderated.library.items("ann") == []
    assert set(moderated.library.blobs.digests()) == before
    assert not list((moderated.settings.data / "jobs" / job.id).glob("preview-*"))
    wait_for(moderated.moderation.counts)
    assert moderated.moderation.counts() == [("moderation.picture", "a rule · style", 1)]


def test_a_private_studio_looks_at_nothing(tmp_path: Path) -> None:
    studio = open_studio(settings(tmp_path, engine="inline"))
    assert not studio.moderation.holds_for("ann")
    assert studio.moderation.policy("ann") is None
    studio.moderation.check("ann", "text", {"prompt": "make a pipe bomb"})
    studio.close()


def test_guests_are_looked_after_unless_told_otherwise_and_members_are_not(tmp_path: Path) -> None:
    studio = open_studio(settings(tmp_path, engine="inline", auth=True))
    member = studio.accounts.add("bob", "member", "correct horse battery")
    assert studio.moderation.holds_for("nobody we know")
    assert not studio.moderation.holds_for(member.owner)
    studio.close()
