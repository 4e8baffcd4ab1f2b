"""A person's zip: where captions come from, what a picture becomes, and zips that mean harm or were packed oddly."""

from __future__ import annotations

import io
import json
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from pipelines.errors import StudioError
from pipelines.sticker import own_pictures
from pipelines.sticker.own_captions import decode_name, from_name, read_list
from pipelines.sticker.own_left_out import FEWEST, LeftOut
from pipelines.sticker.own_pictures import Own, PictureZip, fitted
from tests.own import drawn, own_files, own_zip, zip_of


def owns(data: bytes) -> tuple[list[Own], LeftOut]:
    archive = PictureZip(data)
    return [own for candidate in archive.candidates if (own := archive.own(candidate))], archive.left_out


def captions(files: dict[str, bytes | str]) -> dict[str, str]:
    """By file name, of zip ``files`` and enough others."""
    found = PictureZip(zip_of({**files, **own_files()})).candidates
    return {one.name: one.caption for one in found if one.name in files}


def refused(data: bytes) -> str:
    with pytest.raises(StudioError) as caught:
        owns(data)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("sad-dog_3.png", "sad dog"),
        ("SadDog.png", "Sad Dog"),
        ("10_sad dog/0001.png", "sad dog"),
        ("cats/IMG_1234.jpg", "cats"),
        ("IMG_1234.jpg", ""),
        ("a3f9c2d188ab.png", ""),
        ("1f600.png", ""),
        ("3d-printer.png", "3d printer"),
        ("train/7.png", ""),
        ("train.png", "train"),
        ("x/Screenshot 2024-01-01 at 12.30.png", "x"),
        ("悲伤的狗_2.png", "悲伤的狗"),
    ],
)
def test_a_caption_is_the_words_of_the_name_or_else_of_the_folder(name: str, caption: str) -> None:
    assert from_name(name) == caption


def test_a_text_beside_a_picture_comes_before_a_list_and_a_list_before_the_name() -> None:
    found = captions(
        {
            "set/a.png": drawn(),
            "set/a.TXT": "\n  a dog in the rain \nanother caption\n",
            "set/b.png": drawn(),
            "set/b.txt": "   \n",
            "set/c.png": drawn(),
            "set/metadata.jsonl": '{"file_name": "a.png", "text": "no"}\n?\n{"file_name": "b.png", "text": "a bee"}',
        }
    )
    assert found == {"set/a.png": "a dog in the rain", "set/b.png": "a bee", "set/c.png": "c"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("captions.csv", "file_name,text\nx.png,\"a dog, sad\"\n"),
        ("captions.csv", "x.png,\"a dog, sad\"\n"),
        ("captions.csv", "\ufeffText;File\n\"a dog, sad\";x.png\n"),
        ("captions.csv", "image\tcaption\nimages/x.png\ta dog, sad\n"),
        ("metadata.csv", "file_name,text\nimages/x.png,\"a dog, sad\"\n"),
        ("metadata.jsonl", json.dumps({"file_name": "images/x.png", "text": ["a dog, sad", "other"]})),
    ],
)  # fmt: skip
def test_lists_of_captions_are_read_in_the_forms_people_have(name: str, text: str) -> None:
    assert captions({"images/x.png": drawn(), name: text}) == {"images/x.png": "a dog, sad"}


def test_a_name_that_two_folders_have_is_no_name_for_a_list() -> None:
    found = captions({"a/x.png": drawn(), "b/x.png": drawn(), "captions.csv": "file,text\nx.png,wrong\n"})
    assert found == {"a/x.png": "x", "b/x.png": "x"}


def test_a_list_in_gb18030_and_a_name_in_gb2312_are_read_as_chinese() -> None:
    assert read_list("captions.csv", "文件,说明\nx.png,悲伤的狗\n".encode("gb18030")) == {"x.png": "悲伤的狗"}
    for encoding in ("gb2312", "utf-8", "cp437"):
        name = "crème.png" if encoding == "cp437" else "悲伤的狗.png"
        assert decode_name(name.encode(encoding).decode("cp437"), is_unicode=False) == name


def test_chinese_captions_become_english_and_say_the_style_they_name() -> None:
    found, left = owns(own_zip(**{"一只悲伤的狗, flat.png": drawn(), "悲伤的狗和龘.png": drawn(), "龘.png": drawn()}))
    read = {own.caption: (own.english, own.style) for own in found[-2:]}
    assert read == {"一只悲伤的狗, flat": ("sad dog", "flat"), "悲伤的狗和龘": ("sad dog", None)}
    assert [str(one) for one in left.sentences()] == [
        "With a caption of which the model reads no word (it reads English and everyday Chinese), and left out: "
        "1 (龘.png)."
    ]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "JPEG"])
def test_pictures_of_every_kind_become_64_pixels_premultiplied(kind: str) -> None:
    found, _ = owns(own_zip(**{f"wide thing.{kind.lower()}": drawn(5, (90, 30), kind)}))
    picture = found[-1].picture
    assert (picture.shape, picture.dtype) == ((64, 64, 4), np.uint8)
    assert (picture[..., :3] <= picture[..., 3:]).all()
    assert not picture[:21].any(), "nothing above a wide picture"
    assert not picture[-21:].any(), "nothing below it"
    assert picture[32, 32, 3] == 255
    if kind == "JPEG":
        assert (picture[22:42, :, 3] == 255).all(), "a photo stays opaque"


def test_colours_under_what_is_transparent_do_not_shine_through() -> None:
    picture = np.zeros((128, 128, 4), np.uint8)
    picture[..., 0] = 255  # red everywhere, seen nowhere
    picture[32:96, 32:96] = (0, 0, 255, 255)
    made = fitted(Image.fromarray(picture))
    assert made[..., 0].max() == 0
    assert made[32, 32].tolist() == [0, 0, 255, 255]


def test_only_the_first_frame_of_a_moving_picture_is_taken() -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    assert owns(own_zip(**{"moving.gif": out.getvalue()}))[0][-1].picture[32, 32].tolist() == [255, 0, 0, 255]


def test_what_cannot_be_used_is_counted_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.pictures.MAX_PIXELS", 10_000)
    files = {
        "broken one.png": drawn()[:60],
        "text one.png": "no picture",
        "vector.svg": "<svg/>",
        "0001.png": drawn(),
        "huge one.png": drawn(0, (200, 200)),
        "nothing there.png": drawn(0, (9, 9)),
        "captions.csv": "file,text\nelsewhere.png,a thing\n",
        "metadata.jsonl": "[]",
        "__MACOSX/._x.png": b"",
        ".DS_Store": b"",
        "read me.txt": "hello",
    }
    found, left = owns(own_zip(**files))
    assert len(found) == 24
    assert [str(one) for one in left.sentences()] == [
        "Lists of captions in which nothing could be read: 1 (metadata.jsonl). They need a column file_name and a "
        "column text.",
        "Named in a list of captions, but not in the zip: 1 (elsewhere.png).",
        "Without a caption, and left out: 1 (0001.png). The words of its name or its folder's make one, a text file "
        "beside it, or a line in captions.csv.",
        "Of another kind than PNG, JPEG, WebP or GIF, and left out: 1 (vector.svg).",
        "Damaged, and left out: 2 (broken one.png, text one.png).",
        "Larger than 25 megapixels or 50 MB, and left out: 1 (huge one.png).",
        "Wholly transparent, and left out: 1 (nothing there.png).",
    ]


def test_too_few_pictures_are_refused_with_what_was_left_out() -> None:
    assert refused(own_zip(FEWEST - 1)).startswith("The zip holds 19 pictures with captions; at least 20 are needed.")
    words = refused(own_zip(3, **{"7.png": drawn(), "x.svg": "<svg/>"}))
    assert words.startswith("The zip holds 3 pictures that can be learned from, and at least 20 are needed.")
    assert "Left out were 2:" in words
    assert "(7.png, x.svg)" in words


def test_too_many_pictures_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.sticker.own_left_out.MOST", 21)
    assert refused(own_zip()) == "The zip holds 24 pictures with captions; at most 21 are learned from. Take some out."


@pytest.mark.parametrize("data", [b"", b"PK\3\4 not one", b"Rar!\x1a\x07\x00" + bytes(100), own_zip()[:-40]])
def test_what_is_no_zip_is_refused(data: bytes) -> None:
    assert refused(data).startswith("This file is not a zip that can be read")


def test_a_zip_that_lists_too_many_files_is_refused_before_the_list_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_pictures, "MAX_ENTRIES", 20)
    assert refused(own_zip()) == "The zip lists 24 files; at most 20 are looked at. Take some out."


def test_a_zip_that_would_unpack_to_too_much_is_refused_before_it_is_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(own_pictures, "MAX_UNPACKED", 1_000_000)
    assert "would have" in refused(own_zip(**{"bomb.png": bytes(2_000_000)}))
    owns(own_zip(**{"film.mp4": bytes(2_000_000)}))  # not read, so it does not count


def test_an_entry_is_never_unpacked_further_than_it_claims() -> None:
    """A bomb that lies about its size: 50 MB of zeros that say they are 100 bytes."""
    data = bytearray(zip_of({**own_files(), "bomb.png": bytes(50_000_000)}))
    for signature, place in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        start = data.rindex(signature)
        data[start + place : start + place + 4] = struct.pack("<I", 100)
    found, left = owns(bytes(data))
    assert len(found) == 24
    assert left.names == {"damaged": ["bomb.png"]}


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_ways_of_packing_that_unpack_without_a_bound_are_not_read(method: int) -> None:
    out = io.BytesIO(own_zip())
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("odd one.png", drawn(), compress_type=method)
    assert owns(out.getvalue())[1].names == {"packed": ["odd one.png"]}


def test_an_encrypted_picture_is_left_out() -> None:
    data = bytearray(own_zip(**{"secret.png": drawn()}))
    start = data.rindex(b"PK\1\2")
    data[start + 8] |= 1
    assert owns(bytes(data))[1].names == {"packed": ["secret.png"]}


def test_a_name_that_climbs_out_is_only_a_name() -> None:
    tricks = {
        "../../etc/passwd of dogs.png": drawn(),
        "/root/absolute cat.png": drawn(),
        "C:\\temp\\win dog.png": drawn(),
    }
    names = [one.name for one in PictureZip(own_zip(**tricks)).candidates][-3:]
    assert names == ["etc/passwd of dogs.png", "root/absolute cat.png", "temp/win dog.png"]


def test_a_damaged_zip_gives_sentences_and_never_an_accident() -> None:
    """A byte changed anywhere: the zip is read, in part, or refused."""
    whole = own_zip(20)
    random = np.random.default_rng(0)
    for place in random.integers(0, len(whole), 40):
        data = bytearray(whole)
        data[place] ^= 1 << int(random.integers(8))
        try:
            owns(bytes(data))
        except StudioError:
            continue
