"""What a person writes in either language, as the sticker model reads it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from pipelines.errors import StudioError
from pipelines.sticker.dictionary import FILE, dictionary
from pipelines.sticker.drawings import STYLES
from pipelines.sticker.packages import NAMES
from pipelines.sticker.prompts import read_prompt
from pipelines.sticker.words import SPEECH, build, read_hand

#: printable ASCII and what else English is written with
ENGLISH = st.text(st.characters(min_codepoint=32, max_codepoint=126) | st.sampled_from("éïñ’“”–…\n\t"), max_size=60)


def english(text: str) -> str:
    return read_prompt(text).english


@pytest.mark.parametrize(
    ("chinese", "expected"),
    [
        ("蓝色的机器人猫", "blue robot cat"),
        ("绿色的心", "green heart"),
        ("草莓蛋糕", "strawberry cake"),
        ("难过的狗", "sad dog"),
        ("红红的苹果", "red apple"),
        ("深蓝色的鲸鱼", "dark blue whale"),
        ("黑白相间的奶牛", "black and white cow"),
        ("又大又圆的西瓜", "big round watermelon"),
        ("闪闪发光的蓝宝石", "sparkling blue gem stone"),
        ("毛茸茸的小鸡", "fluffy baby chick"),
        ("木头做的机器人", "wood robot"),
        ("会飞的猪", "flying pig"),
        ("喷火的龙", "fire breathing dragon"),
        ("一只不开心的猫", "sad cat"),
        ("小猫头鹰", "small owl"),
        ("彩虹和云朵", "rainbow and cloud"),
        ("生日快乐", "happy birthday"),
        ("我想要一只可爱的小猫", "cute kitten"),
        ("可以画一个太阳吗？", "sun"),
        ("狗狗很开心", "dog happy"),
    ],
)
def test_a_thing_and_what_is_said_of_it(chinese: str, expected: str) -> None:
    assert english(chinese) == expected


@pytest.mark.parametrize(
    ("chinese", "expected"),
    [
        ("猫戴着帽子", "cat wearing hat"),
        ("戴着红色的帽子的小狗", "puppy wearing red hat"),
        ("一只戴着墨镜的酷酷的熊猫", "cool panda wearing sunglasses"),
        ("戴着红色的帽子和蓝色的围巾的雪人", "snowman wearing red hat and blue scarf"),
        ("正在吃面条的熊猫", "panda eating noodles"),
        ("戴帽子的猫和吃鱼的狗", "cat wearing hat and dog eating fish"),
        ("会弹吉他的恐龙", "dinosaur playing guitar"),
        ("像云一样的羊", "sheep like cloud"),
        ("没有尾巴的猫", "cat without tail"),
        ("由水果组成的机器人", "robot made of fruit"),
        ("猫吃鱼的照片", "cat eating fish"),
        ("戴帽子的", "wearing hat"),
    ],
)
def test_what_a_thing_does_to_another_stands_behind_it(chinese: str, expected: str) -> None:
    assert english(chinese) == expected


@pytest.mark.parametrize(
    ("chinese", "expected"),
    [
        ("猫在月亮上睡觉", "cat sleeping on moon"),
        ("在月亮上睡觉的猫", "sleeping cat on moon"),
        ("坐在沙发上的猫", "cat sitting on couch"),
        ("树上的鸟", "bird on tree"),
        ("桌子上的红苹果", "red apple on table"),
        ("圣诞树下的礼物", "gift under Christmas tree"),
        ("熊猫在竹林里吃竹子", "panda eating bamboo in bamboo forest"),
        ("在海边看日落的情侣", "couple looking at sunset at beach"),
        ("在公园跑步的狗", "running dog at park"),
        ("猫在睡觉", "cat sleeping"),
        ("狗在法拉利里", "dog"),
    ],
)
def test_a_place_stands_behind_what_is_done_there(chinese: str, expected: str) -> None:
    assert english(chinese) == expected


@pytest.mark.parametrize(
    ("chinese", "expected"),
    [
        ("一只猫", "cat"),
        ("三只小猪", "three pig"),
        ("一碗牛肉面", "bowl of beef noodles"),
        ("一杯热咖啡", "cup of hot coffee"),
        ("3只猫和2杯咖啡", "3 cat and 2 cup of coffee"),
        ("100 只企鹅", "100 penguin"),
    ],
)
def test_measure_words_vanish_but_for_those_that_hold_something(chinese: str, expected: str) -> None:
    assert english(chinese) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cute 猫 with a hat", "cute cat with a hat"),
        ("一只 blue 的 cat", "blue cat"),
        ("a cat, 戴着红色的帽子", "a cat, wearing red hat"),
        ("戴着hat的猫", "cat wearing hat"),
        ("穿T恤的猫", "cat wearing T shirt"),
        ("table上的猫", "cat on table"),
        ("ＨＡＰＰＹ　ＣＡＴ", "HAPPY CAT"),
        ("“蓝色”的猫", "blue cat"),
        ("戴着👑的🐸", "frog wearing crown"),
        ("👍🏽 and ❤️", "thumbs up and red heart"),
    ],
)
def test_both_languages_and_emoji_may_be_mixed(text: str, expected: str) -> None:
    assert english(text) == expected


@pytest.mark.parametrize(
    ("traditional", "simplified"),
    [("戴著紅色帽子的貓", "戴着红色帽子的猫"), ("會飛的烏龜", "会飞的乌龟"), ("兩隻粉紅色的豬", "两只粉红色的猪")],
)
def test_traditional_characters_read_as_simplified_ones(traditional: str, simplified: str) -> None:
    assert english(traditional) == english(simplified)


def test_words_of_taiwan_are_read_too() -> None:
    assert english("計程車和鳳梨") == "taxi and pineapple"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("猫，戴着帽子。", "cat, wearing hat"),
        ("猫、狗；鸟！", "cat, dog, bird"),
        ("两只小兔子，粉色", "two rabbit, pink"),
        ("猫，请", "cat"),
        ("皮卡丘，a cat", "a cat"),
        ("a cat，皮卡丘，开心", "a cat, happy"),
    ],
)
def test_chinese_punctuation_becomes_commas_between_what_is_left(text: str, expected: str) -> None:
    assert english(text) == expected


def test_what_was_translated_is_told() -> None:
    read = read_prompt("蓝色的猫和 dog，蓝色")
    assert read.translated == (("蓝色", "blue"), ("猫", "cat"), ("和", "and"))
    assert read.unknown == ()


@pytest.mark.parametrize(
    ("text", "expected", "unknown"),
    [
        ("法拉利和红色的猫", "red cat", ("法拉利",)),
        ("哥斯拉吃汉堡", "eating hamburger", ("哥斯拉",)),
        ("皮卡丘和猫，皮卡丘", "cat", ("皮卡丘",)),
        ("a cat in 上海", "a cat in", ("上海",)),
        ("кошка 和 a dog", "a dog", ("кошка",)),
        ("猫ちゃん", "cat", ("ちゃん",)),
    ],
)
def test_an_unknown_word_is_told_and_not_guessed_from_its_characters(
    text: str, expected: str, unknown: tuple[str, ...]
) -> None:
    read = read_prompt(text)
    assert (read.english, read.unknown) == (expected, unknown)


@pytest.mark.parametrize("text", ["皮卡丘", "上海，上海", "ロボット", "кошка"])
def test_nothing_to_read_is_said_with_the_words(text: str) -> None:
    with pytest.raises(StudioError) as caught:
        read_prompt(text)
    assert caught.value.key == "sticker.unread"
    assert caught.value.values["words"] == text.split("，")[0]


@pytest.mark.parametrize("text", ["的", "!!!", "，，"])
def test_what_says_nothing_is_refused_as_it_was_written(text: str) -> None:
    with pytest.raises(StudioError) as caught:
        read_prompt(text)
    assert (caught.value.key, caught.value.values["words"]) == ("sticker.unread", text)


@pytest.mark.parametrize("text", ["", " \n\t", "　"])
def test_an_empty_prompt_is_refused(text: str) -> None:
    with pytest.raises(StudioError) as caught:
        read_prompt(text)
    assert caught.value.key == "prompt.empty"


@pytest.mark.parametrize(
    ("text", "expected", "style"),
    [
        ("a happy cat, glossy", "a happy cat", "glossy"),
        ("flat, a cat", "a cat", "flat"),
        ("a cat; Flat style.", "a cat", "flat"),
        ("a cat, gloſſy", "a cat", "glossy"),
        ("a cat\nnoto", "a cat", "noto"),
        ("a cat, in twitter style, with a hat", "a cat, with a hat", "twitter"),
        ("a cat in flat style", "a cat", "flat"),
        ("a cat in the style of Twitter", "a cat", "twitter"),
        ("firefox style fox", "fox", "firefox"),
        ("a 3d-style heart", "a heart", "glossy"),
        ("a cat, flat, glossy", "a cat", "glossy"),
        ("一只开心的猫，光泽", "happy cat", "glossy"),
        ("扁平风格的机器人", "robot", "flat"),
        ("用扁平风格画一只老虎", "tiger", "flat"),
        ("猫，推特风格", "cat", "twitter"),
        ("火狐风格的狐狸", "fox", "firefox"),
        ("貓，扁平風格", "cat", "flat"),
        ("猫 flat风格", "cat", "flat"),
    ],
)
def test_a_style_that_is_named_leaves_the_words(text: str, expected: str, style: str) -> None:
    read = read_prompt(text)
    assert (read.english, read.style) == (expected, style)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flat tire", "flat tire"),
        ("my tire is flat", "my tire is flat"),
        ("a flat earth, glossy paint", "a flat earth, glossy paint"),
        ("a non-flat style cat", "a non-flat style cat"),
        ("twitter bird", "twitter bird"),
        ("cartoon style cat", "cartoon style cat"),
        ("光泽的苹果", "glossy apple"),
        ("立体风筝", "3d kite"),
        ("红色火狐", "red fire fox"),
    ],
)
def test_a_style_word_inside_a_phrase_is_a_word_like_others(text: str, expected: str) -> None:
    read = read_prompt(text)
    assert (read.english, read.style) == (expected, None)


def test_the_menu_wins_over_the_words_which_leave_all_the_same() -> None:
    read = read_prompt("a cat, glossy", "noto")
    assert (read.english, read.style) == ("a cat", "noto")
    assert read_prompt("a cat", "noto").style == "noto"


@pytest.mark.parametrize("text", ["flat", "扁平风格", "Twitter style, glossy"])
def test_a_style_alone_asks_what_the_sticker_shows(text: str) -> None:
    with pytest.raises(StudioError) as caught:
        read_prompt(text)
    assert (caught.value.key, caught.value.values["text"]) == ("sticker.style_only", text)


@given(ENGLISH)
@example("a,b ;c  d\n, ,e,")
@example("3 cats & 1,000 dogs (50% off)!?")
def test_english_passes_unchanged_but_for_style_words_and_spaces(text: str) -> None:
    assume(re.search(r"\w", text) and not any(word in text.lower() for word in dictionary().styles))
    read = read_prompt(text)
    assert (read.english, read.style, read.translated, read.unknown) == (" ".join(text.split()), None, (), ())


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(sorted(dictionary().words)) | st.text(max_size=3), min_size=1, max_size=12).map("".join)
)
def test_whatever_is_written_is_read_or_refused_in_words(text: str) -> None:
    try:
        read = read_prompt(text)
    except StudioError:
        return
    assert re.search(r"\w", read.english)
    assert not re.search(r"[\u3040-\u9fff]", read.english)


def test_a_very_long_text_is_read_in_a_moment() -> None:
    assert english("在树上戴着帽子的猫和" * 4000).startswith("cat")


# ----------------------------------------------------------------------------------------- the dictionary


def test_the_shipped_dictionary_has_all_of_the_table_written_by_hand() -> None:
    shipped, hand = json.loads(FILE.read_text("utf-8")), read_hand()
    for table in (*SPEECH, "styles", "traditional"):
        assert hand[table].items() <= shipped[table].items(), f"{table}: run python -m pipelines.sticker.words"


def test_the_shipped_dictionary_can_be_read_by_people() -> None:
    text = FILE.read_text("utf-8")
    tables = {name: table for name, table in json.loads(text).items() if name != "about"}
    assert len(text.encode()) < 300_000
    assert all(list(table) == sorted(table) for table in tables.values())
    assert text.count("\n") == sum(len(table) + 2 for table in tables.values()) + 3


def test_every_style_can_be_named_in_both_languages() -> None:
    styles = dictionary().styles
    assert {style for word, style in styles.items() if word.isascii()} == set(STYLES)
    assert {style for word, style in styles.items() if not word.isascii()} == set(STYLES)


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    """Emojibase's archive with four entries in it."""

    def entry(number: int, label: str, tags: list[str], emoji: str = "") -> dict[str, Any]:
        return {"hexcode": str(number), "label": label, "tags": tags, "emoji": emoji, "group": 0 if number else 1}

    files = {
        "meta/groups.json": {"groups": {"0": "activities", "1": "flags"}},
        "en/data.json": [
            entry(0, "flag", ["cloth"], "🏁"),
            entry(1, "cat’s cradle", ["game", "cord"], "🪢\ufe0f"),
            entry(2, "dice", ["game", "luck"]),
            entry(3, "cat", ["luck", "pet"]),
        ],
        "zh/data.json": [
            entry(0, "方旗", []),
            entry(1, "翻花绳", ["棋戏", "细索"]),
            entry(2, "骰盅", ["棋戏", "吉兆"]),
            entry(3, "猫", ["吉兆"]),
        ],
        "zh-hant/data.json": [entry(0, "方旗", []), entry(1, "翻花繩", []), entry(2, "擲骰盅", []), entry(3, "貓", [])],
    }
    with tarfile.open(tmp_path / NAMES.archive, "w:gz") as archive:
        for name, value in files.items():
            data = json.dumps(value).encode()
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return tmp_path


def test_names_and_tags_that_can_be_tied_become_words(archives: Path) -> None:
    words = build(archives)
    assert words["things"]["翻花绳"] == "cat's cradle"
    assert words["things"]["掷骰盅"] == "dice"  # its traditional name, in simplified characters
    assert words["things"]["棋戏"] == "game"  # both that have the tag are games, and nothing else is
    assert words["things"]["吉兆"] == "luck"
    assert words["things"]["猫"] == "cat"
    assert "细索" not in words["things"]  # one entry alone: cord or game
    assert "方旗" not in words["things"]  # a flag
    assert words["emoji"]["🪢"] == "cat's cradle"


def test_reading_a_prompt_needs_no_torch() -> None:
    code = "import sys, pipelines.sticker.prompts as p; p.read_prompt('猫'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
