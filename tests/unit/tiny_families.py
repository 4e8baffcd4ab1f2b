"""Tiny pipelines of the families people fetch by hub id, with random weights, saved as the hub has them.

The text encoders and tokenizers are of the published kinds too (T5, Gemma, Qwen), with small vocabularies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from diffusers import (
    AutoencoderDC,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    PixArtSigmaPipeline,
    PixArtTransformer2DModel,
    SanaPipeline,
    SanaTransformer2DModel,
    StableDiffusionXLPipeline,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from transformers import (
    CLIPTextModel,
    Gemma2Config,
    Gemma2Model,
    GemmaTokenizer,
    Qwen2Tokenizer,
    Qwen3Config,
    Qwen3Model,
    T5Config,
    T5EncoderModel,
    T5Tokenizer,
)

from tests.unit import tiny_diffusers
from tests.unit.tiny_diffusers import LETTERS

_QWEN_TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.role }} {{ m.content }}<|im_end|>{% endfor %}"


def t5_tokenizer() -> T5Tokenizer:
    pieces = ["<pad>", "</s>", "<unk>", "▁", *LETTERS, *(f"▁{letter}" for letter in LETTERS)]
    return T5Tokenizer(vocab=[(piece, 0.0 if place < 3 else -2.0) for place, piece in enumerate(pieces)], extra_ids=0)


def t5(width: int = 32) -> T5EncoderModel:
    return T5EncoderModel(T5Config(vocab_size=64, d_model=width, d_kv=8, d_ff=37, num_layers=1, num_heads=2))


def sdxl_turbo(folder: Path) -> Path:
    """SDXL with the schedule and the settings of a Turbo: one to four steps, no guidance."""
    pipe = StableDiffusionXLPipeline.from_pretrained(tiny_diffusers.stable_diffusion_xl(folder.with_name("base")))
    pipe.scheduler = EulerAncestralDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="trailing"
    )
    pipe.register_to_config(force_zeros_for_empty_prompt=True)
    pipe.save_pretrained(folder)
    return folder


def flux(folder: Path) -> Path:
    torch.manual_seed(0)
    FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        vae=tiny_diffusers.vae(4, 0.3611, 0.1159),
        text_encoder=CLIPTextModel(tiny_diffusers.text_config()),
        tokenizer=tiny_diffusers.tokenizer(folder.with_name("words")),
        text_encoder_2=t5(),
        tokenizer_2=t5_tokenizer(),
        transformer=FluxTransformer2DModel(
            patch_size=1,
            in_channels=16,
            num_layers=1,
            num_single_layers=1,
            attention_head_dim=16,
            num_attention_heads=2,
            joint_attention_dim=32,
            pooled_projection_dim=32,
            axes_dims_rope=(4, 4, 8),
            guidance_embeds=True,
        ),
    ).save_pretrained(folder)
    return folder


def pixart(folder: Path) -> Path:
    torch.manual_seed(0)
    PixArtSigmaPipeline(
        tokenizer=t5_tokenizer(),
        text_encoder=t5(8),
        vae=tiny_diffusers.vae(4, 0.13025),
        transformer=PixArtTransformer2DModel(
            sample_size=8,
            num_layers=2,
            patch_size=2,
            attention_head_dim=8,
            num_attention_heads=3,
            caption_channels=8,
            in_channels=4,
            cross_attention_dim=24,
            out_channels=8,
        ),
        scheduler=DPMSolverMultistepScheduler(),
    ).save_pretrained(folder)
    return folder


def sana(folder: Path) -> Path:
    torch.manual_seed(0)
    vocabulary = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *LETTERS]
    SanaPipeline(
        tokenizer=GemmaTokenizer(vocab={piece: place for place, piece in enumerate(vocabulary)}, merges=[]),
        text_encoder=Gemma2Model(
            Gemma2Config(
                head_dim=16,
                hidden_size=8,
                intermediate_size=16,
                num_attention_heads=2,
                num_hidden_layers=1,
                num_key_value_heads=2,
                vocab_size=len(vocabulary),
            )
        ),
        vae=AutoencoderDC(
            latent_channels=4,
            attention_head_dim=2,
            encoder_block_types=("ResBlock", "EfficientViTBlock"),
            decoder_block_types=("ResBlock", "EfficientViTBlock"),
            encoder_block_out_channels=(8, 8),
            decoder_block_out_channels=(8, 8),
            encoder_qkv_multiscales=((), (5,)),
            decoder_qkv_multiscales=((), (5,)),
            encoder_layers_per_block=(1, 1),
            decoder_layers_per_block=(1, 1),
            downsample_block_type="conv",
            upsample_block_type="interpolate",
            decoder_norm_types="rms_norm",
            decoder_act_fns="silu",
            scaling_factor=0.41407,
        ),
        transformer=SanaTransformer2DModel(
            patch_size=1,
            in_channels=4,
            out_channels=4,
            num_layers=1,
            num_attention_heads=2,
            attention_head_dim=4,
            num_cross_attention_heads=2,
            cross_attention_head_dim=4,
            cross_attention_dim=8,
            caption_channels=8,
            sample_size=32,
        ),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    ).save_pretrained(folder)
    return folder


def z_image(folder: Path) -> Path:
    torch.manual_seed(0)
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocabulary = [*special, *LETTERS, "Ġ", "<", "|", ">"]
    tokenizer = Qwen2Tokenizer(vocab={piece: place for place, piece in enumerate(vocabulary)}, merges=[])
    tokenizer.chat_template = _QWEN_TEMPLATE
    transformer = ZImageTransformer2DModel(
        all_patch_size=(2,),
        all_f_patch_size=(1,),
        in_channels=16,
        dim=32,
        n_layers=2,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[256, 32, 32],
    )
    with torch.no_grad():  # its padding tokens are made empty, for weights that are always loaded over them
        for parameter in (transformer.x_pad_token, transformer.cap_pad_token):
            parameter.normal_(std=0.02)
    ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=tiny_diffusers.vae(16, 0.3611, 0.1159),
        text_encoder=Qwen3Model(
            Qwen3Config(
                hidden_size=16,
                intermediate_size=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=2,
                head_dim=8,
                vocab_size=len(vocabulary),
            )
        ),
        tokenizer=tokenizer,
        transformer=transformer,
    ).save_pretrained(folder)
    return folder


#: what writes a tiny one, by the name people know the family under
FAMILIES: Mapping[str, Callable[[Path], Path]] = {
    "Stable Diffusion 1.5": tiny_diffusers.stable_diffusion,
    "SDXL": tiny_diffusers.stable_diffusion_xl,
    "SDXL Turbo": sdxl_turbo,
    "SD 3.5": tiny_diffusers.stable_diffusion_3,
    "FLUX": flux,
    "PixArt": pixart,
    "Sana": sana,
    "Z-Image": z_image,
}
