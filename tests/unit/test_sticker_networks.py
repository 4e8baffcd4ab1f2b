"""The networks and the pipeline: shapes, files, callbacks, and seeds that mean the same alone and in company."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pipelines.errors import StudioError
from pipelines.sticker.pipeline import StickerPipeline
from pipelines.sticker.text import TOKENS, encode
from pipelines.sticker.transformer import Block, StickerTransformer, parameters_of
from pipelines.sticker.upscaler import StickerUpscaler, bicubic, psnr
from tests.stickers import tiny_stickers


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> StickerPipeline:
    folder = tiny_stickers(tmp_path_factory.mktemp("stickers") / "model")
    found: StickerPipeline = StickerPipeline.from_pretrained(folder)
    found.set_progress_bar_config(disable=True)
    return found


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_a_sentence_becomes_transparent_pictures_of_256_pixels(pipe: StickerPipeline) -> None:
    found = pipe("a cat", style="noto", num_inference_steps=2, num_images_per_prompt=2, generator=seeded(1, 2)).images
    assert [(each.mode, each.size) for each in found] == [("RGBA", (256, 256))] * 2


def test_a_seed_gives_the_same_sticker_alone_and_in_company(pipe: StickerPipeline) -> None:
    alone = pipe("a cat", num_inference_steps=3, generator=seeded(5)).images[0]
    company = pipe(["a dog", "a cat"], num_inference_steps=3, generator=seeded(4, 5)).images[1]
    off = np.abs(np.asarray(alone, int) - np.asarray(company, int))
    assert off.max() <= 1


def test_the_sentence_the_style_and_the_guidance_all_change_the_sticker(pipe: StickerPipeline) -> None:
    def drawn(prompt: str = "a cat", style: str = "noto", guidance: float = 3.0) -> torch.Tensor:
        call = pipe(
            prompt, style, num_inference_steps=2, guidance_scale=guidance, generator=seeded(1), output_type="pt"
        )
        return call.images

    usual = drawn()
    assert torch.equal(usual, drawn())
    for other in (drawn(prompt="a red bus"), drawn(style="flat"), drawn(guidance=1.0)):
        assert not torch.allclose(usual, other, atol=1e-3)


def test_a_callback_sees_every_step_and_may_end_the_loop(pipe: StickerPipeline) -> None:
    seen: list[int] = []

    def after(running: StickerPipeline, index: int, _: object, tensors: dict[str, torch.Tensor]) -> dict:
        seen.append(index)
        assert tensors["latents"].shape == (1, 16, 8, 8)
        running._interrupt = index == 2
        return {}

    pipe("a cat", num_inference_steps=5, generator=seeded(1), callback_on_step_end=after)
    assert seen == [0, 1, 2]
    assert pipe.num_timesteps == 5


@pytest.mark.parametrize(("width", "rows"), [(192, 64), (192, 128), (384, 32), (384, 64)])
@pytest.mark.usefixtures("one_thread")
def test_a_block_of_the_shipped_size_takes_each_picture_as_it_would_alone(width: int, rows: int) -> None:
    """In bfloat16 a sum of 512 terms and more came out otherwise for another number of rows: other stickers."""
    torch.manual_seed(0)
    block = Block(width).to(torch.bfloat16)
    torch.nn.init.normal_(block.table)
    x, condition = torch.randn(32, rows, width).bfloat16(), torch.randn(32, 6, width).bfloat16()
    with torch.no_grad():
        together = block(x, condition, apart=32)
        alone = [block(x[row : row + 1], condition[row : row + 1])[0] for row in range(32)]
    assert torch.equal(together, torch.stack(alone))


def test_several_sentences_each_with_its_style_and_negative_prompt_are_what_each_is_alone(
    pipe: StickerPipeline,
) -> None:
    asked = [("cat", "glossy", ""), ("a dog in the house", None, "red"), ("cat", "flat", "house of a dog")]
    prompts, styles, negatives = (list(each) for each in zip(*asked, strict=True))
    together = pipe(
        prompts,
        style=styles,
        negative_prompt=negatives,
        num_inference_steps=3,
        generator=seeded(0, 1, 2),
        output_type="pt",
    ).images
    for row, (prompt, style, negative) in enumerate(asked):
        alone = pipe(
            prompt,
            style=style,
            negative_prompt=negative or None,
            num_inference_steps=3,
            generator=seeded(row),
            output_type="pt",
        ).images
        # rows of a larger product are summed in another order; random weights blow that up to 1e-4 on some CPUs
        assert (together[row] - alone[0]).abs().max() < 1e-3
    assert (together[0] - together[2]).abs().max() > 0.1


def test_a_style_there_is_not_and_another_size_are_refused_with_the_rule(pipe: StickerPipeline) -> None:
    with pytest.raises(StudioError, match="no drawing style oil; there are glossy, flat, noto, twitter, firefox"):
        pipe("a cat", style="oil")
    with pytest.raises(StudioError, match="Stickers are 256 x 256 pixels; you asked for 512 x 256"):
        pipe("a cat", width=512, height=256)


def test_a_pipeline_that_was_saved_draws_the_same(pipe: StickerPipeline, tmp_path: Path) -> None:
    pipe.save_pretrained(tmp_path / "saved")
    assert not list((tmp_path / "saved").rglob("*.bin"))
    again = StickerPipeline.from_pretrained(tmp_path / "saved")
    again.set_progress_bar_config(disable=True)
    call = {"num_inference_steps": 2, "output_type": "pt"}
    assert torch.equal(
        pipe("cat", generator=seeded(1), **call).images, again("cat", generator=seeded(1), **call).images
    )


def test_words_left_out_do_not_reach_the_network(pipe: StickerPipeline) -> None:
    """What stands behind a false mask is never read, so a filled-up sentence is the sentence."""
    net = pipe.transformer
    text = encode(pipe.tokenizer, pipe.text_encoder, ["cat"])
    assert text.states.shape[1] == TOKENS
    noise, time, style = torch.randn(1, 16, 8, 8), torch.tensor([0.5]), torch.tensor([0])
    other = torch.where(text.mask.unsqueeze(-1), text.states, torch.full_like(text.states, 9.0))
    one = net(noise, time, text.states, text.mask, text.pooled, style, return_dict=False)
    two = net(noise, time, other, text.mask, text.pooled, style, return_dict=False)
    assert torch.equal(one, two)


def test_an_untrained_transformer_predicts_nothing_and_learns_in_every_part() -> None:
    torch.manual_seed(0)
    net = StickerTransformer(outer_width=64, outer_depth=1, inner_width=64, inner_depth=1, text_width=8)
    given = (torch.randn(2, 16, 8, 8), torch.rand(2), torch.randn(2, 4, 8), torch.arange(8).view(2, 4) < 6)
    given = (*given, torch.randn(2, 8), torch.tensor([0, 5]))
    assert not net(*given, return_dict=False).any()
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    for _ in range(4):
        optimizer.zero_grad()
        (net(*given, return_dict=False) - given[0]).square().mean().backward()
        optimizer.step()
    assert all(p.grad is not None and bool(p.grad.any()) for p in net.parameters())


def test_the_matrices_of_the_blocks_are_told_from_the_rest() -> None:
    net = StickerTransformer(outer_width=64, outer_depth=1, inner_width=64, inner_depth=2, text_width=8)
    inside, other = parameters_of(net)
    assert len(inside) == 4 * 4  # four matrices in each of two outer and two inner blocks
    assert sum(p.numel() for p in (*inside, *other)) == sum(p.numel() for p in net.parameters())


def test_an_untrained_upscaler_is_bicubic() -> None:
    pictures = torch.rand(1, 4, 8, 8) * 2 - 1
    assert torch.equal(StickerUpscaler(width=8, depth=1)(pictures, return_dict=False), bicubic(pictures))


def test_psnr_of_a_known_difference() -> None:
    one = torch.zeros(1, 4, 8, 8)
    assert psnr(one, one + 0.2).item() == pytest.approx(20.0, abs=1e-4)  # a tenth of the range


@torch.no_grad()
def test_guidance_is_the_difference_the_sentence_makes_however_long_the_other_one_is(pipe: StickerPipeline) -> None:
    noise = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(3))
    call: dict[str, Any] = {"style": "flat", "num_inference_steps": 1, "latents": noise, "output_type": "latent"}
    other = "ugly " * 6  # more tokens than the sentence is filled up to
    with_it = pipe("a cat", guidance_scale=1, **call).images
    without = pipe(other, guidance_scale=1, **{**call, "style": None}).images
    guided = pipe("a cat", negative_prompt=other, guidance_scale=2.5, **call).images
    assert isinstance(with_it, torch.Tensor)
    wanted = without + 2.5 * (with_it - without)  # one step is linear in the velocity
    assert (guided - wanted).abs().max() < 0.05 * (guided - with_it).abs().max()
