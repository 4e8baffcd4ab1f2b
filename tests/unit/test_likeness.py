"""Likeness: the sentence encoder without torch, what pictures look like, and what is found with them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

from pipelines.catalog import Catalog
from pipelines.errors import StudioError
from pipelines.looks import LENGTH, looks
from pipelines.sentences import SentenceEncoder, in_english
from pipelines.style.examples import PHOTOS
from studio.library.likeness import Likeness
from tests.library import Shelves, png

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "red", "fox", "wolf", "snow", "boat", "sea", "in", "the", "cat"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two small layers with random weights, saved as the published encoder is."""
    place = tmp_path_factory.mktemp("encoder")
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=96,
        max_position_embeddings=64,
    )  # fmt: skip
    BertModel(config, add_pooling_layer=False).save_pretrained(place)
    tokenizer = Tokenizer(models.WordPiece({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(place / "tokenizer.json"))
    return place


def test_without_torch_a_sentence_means_what_it_means_with_it(folder: Path) -> None:
    encoder = SentenceEncoder(folder)
    model = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    for sentence in ("a red fox", "fox", "a boat in the sea, the sea in a boat " * 9):
        ids = torch.tensor([Tokenizer.from_file(str(folder / "tokenizer.json")).encode(sentence).ids[:64]])
        if ids.shape[1] == 64:
            ids[0, -1] = 3  # a sentence that is cut ends as any other
        with torch.no_grad():
            mean = model(input_ids=ids).last_hidden_state[0].mean(0)
        wanted = (mean / mean.norm()).numpy()
        assert np.abs(encoder.encode(sentence) - wanted).max() < 1e-5


def test_chinese_is_read_as_far_as_the_dictionary_goes_and_nothing_means_nothing(folder: Path) -> None:
    assert "fox" in in_english("红色的狐狸")
    assert in_english("плюш") == "плюш"
    encoder = SentenceEncoder(folder)
    assert not encoder.encode("   ").any()
    assert encoder.encode("红色的狐狸").any()


def test_a_folder_with_another_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(ValueError, match="no BERT"):
        SentenceEncoder(tmp_path)


# -------------------------------------------------------------------------------------------------- looks


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


def test_a_picture_is_nearest_to_itself_cut_shrunk_and_packed_among_all_our_photos() -> None:
    photos = [Image.open(photo.path).convert("RGB") for photo in PHOTOS]
    whole = np.stack([looks(encoded(photo, "JPEG")) for photo in photos])
    assert np.allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-3)
    for number, photo in enumerate(photos):
        width, height = photo.size
        cut = photo.crop((width // 16, height // 16, width - width // 16, height)).resize((120, 90))
        assert int(np.argmax(whole @ looks(encoded(cut, "JPEG")))) == number


def test_colours_count_and_so_do_shapes() -> None:
    def card(back: str, front: str, box: tuple[int, int, int, int]) -> np.ndarray:
        made = Image.new("RGB", (96, 96), back)
        made.paste(front, box)
        return looks(encoded(made))

    wanted = card("white", "red", (10, 10, 40, 80))
    same_colours, same_shape = card("white", "red", (50, 20, 90, 40)), card("navy", "yellow", (10, 10, 40, 80))
    neither = card("green", "black", (0, 60, 96, 96))
    assert min(wanted @ same_colours, wanted @ same_shape) > wanted @ neither


def test_what_is_transparent_does_not_count() -> None:
    hidden = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    other = Image.new("RGBA", (64, 64), (0, 255, 0, 0))
    for picture in (hidden, other):
        picture.paste((0, 0, 255, 255), (20, 20, 44, 44))
    assert np.allclose(looks(encoded(hidden)), looks(encoded(other)), atol=1e-5)
    assert looks(encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0)))).shape == (LENGTH,)


# -------------------------------------------------------------------------------------------------- finding


@pytest.fixture
def home(tmp_path: Path, database_url: str) -> Iterator[Shelves]:
    made = Shelves(tmp_path, database_url)
    yield made
    made.close()


class WithEncoder(Likeness):
    """As if the small encoder were the one of the catalogue."""

    def __init__(self, shelves: Shelves, folder: Path) -> None:
        super().__init__(shelves.database, Catalog(shelves.data, shelves.data))
        self._open = SentenceEncoder(folder)

    @property
    def ready(self) -> bool:
        return True

    @property
    def encoder(self) -> SentenceEncoder:
        return self._open


def photo(home: Shelves, number: int, owner: str = "ann") -> str:
    with Image.open(PHOTOS[number].path) as opened:
        small = opened.convert("RGB").resize((160, 120))
    return home.make("image", {"prompt": "a photo"}, png(encoded(small), PHOTOS[number].en), owner).id


def test_a_picture_finds_itself_first_and_nobody_elses(home: Shelves) -> None:
    mine = [photo(home, number) for number in range(3)]
    hers = photo(home, 0, owner="bob")
    found = home.likeness.of_item("ann", mine[0])
    assert found[0] == mine[0]
    assert hers not in found
    assert home.likeness.of_item("ann", hers) == []


def test_what_was_made_before_there_was_an_index_is_indexed_later_and_survives_a_restart(home: Shelves) -> None:
    item = photo(home, 1)
    with home.database.write() as session:
        session.connection().exec_driver_sql("DELETE FROM item_vectors")
        session.connection().exec_driver_sql("DELETE FROM item_words")
        session.connection().exec_driver_sql(
            "INSERT INTO to_index SELECT id, 'looks' FROM items WHERE true ON CONFLICT DO NOTHING"
        )
        session.connection().exec_driver_sql(
            "INSERT INTO to_index SELECT id, 'names' FROM items WHERE true ON CONFLICT DO NOTHING"
        )
    assert home.likeness.of_item("ann", item) == []
    home.indexer.catch_up()
    again = Shelves(home.data, home.url)
    assert again.likeness.of_item("ann", item) == [item]
    assert again.page(words="photo").count == 1
    again.close()


def test_without_the_encoder_there_are_words_only_and_the_wish_waits_on_the_list(home: Shelves, folder: Path) -> None:
    fox, boat = home.picture("a red fox"), home.picture("a boat in the sea")
    home.indexer.catch_up()
    with pytest.raises(StudioError, match="not on this machine"):
        home.likeness.of_words("ann", "fox")
    home.indexer._likeness = home.likeness = WithEncoder(home, folder)
    assert home.indexer.waiting() == 2
    home.indexer.catch_up()
    assert home.likeness.of_words("ann", "a red fox")[0] == fox.id
    assert home.likeness.of_words("ann", "a boat in the sea")[0] == boat.id
    assert home.likeness.of_words("bob", "a red fox") == []


def test_a_thumbnail_that_cannot_be_read_is_looked_at_once_only(home: Shelves) -> None:
    item = home.picture("a fox")
    with home.database.write() as session:
        session.connection().exec_driver_sql("DELETE FROM item_vectors")
        session.connection().exec_driver_sql(
            "INSERT INTO to_index SELECT id, 'looks' FROM items WHERE true ON CONFLICT DO NOTHING"
        )
    digest = (home.library.thumbnail("ann", item.id) or ("", 0))[0]
    assert digest is not None
    home.library.blobs.path(digest).write_bytes(b"no picture")
    assert home.indexer.catch_up() > 0
    assert home.indexer.catch_up() == 0
    assert home.likeness.of_item("ann", item.id) == []
