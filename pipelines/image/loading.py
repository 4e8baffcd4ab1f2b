"""Opens a folder with a diffusers pipeline, or with a sticker model of ours, or says why it will not be opened.

Everything is decided from ``model_index.json`` and the file names before a weight is read: no pickles, no code that
comes with the weights, no pipeline that cannot be stopped between steps. Knows diffusers; not requests or turns.
"""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import diffusers
import torch
from diffusers import AutoPipelineForText2Image, DiffusionPipeline
from diffusers.pipelines.auto_pipeline import AUTO_TEXT2IMAGE_PIPELINES_MAPPING
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError
from transformers.utils import logging as transformers_logging

from pipelines.devices import Device
from pipelines.errors import StudioError
from pipelines.sticker.loading import open_stickers
from pipelines.sticker.pipeline import StickerPipeline
from pipelines.verify import refuse_pickles

log = logging.getLogger(__name__)

#: a pipeline object: diffusers' classes share no typed base that has their parts
Pipe: TypeAlias = Any

_LIBRARIES = ("diffusers", "transformers")


def open_pipeline(folder: Path, device: Device, parts: Mapping[str, Path]) -> Pipe:
    """The text-to-picture pipeline of ``folder``, on the device, in the device's number format.

    ``parts`` of it that lie elsewhere, such as the text encoder of a sticker model. Raises ``StudioError`` where the
    folder holds anything else, or weights only as pickles.
    """
    index = _index(folder)
    files = [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]
    refuse_pickles(files, folder.name)
    silence()
    if index.get("_class_name") == StickerPipeline.__name__:
        return _stickers(folder, device, parts.get("text_encoder", folder / "text_encoder"))
    loader = _loader(index, folder.name, [file for file in files if file.endswith(".py")])
    absent = {part: None for part, value in index.items() if value == [None, None]}
    pipe = _read(loader, folder, device, {"variant": _variant(files), **absent})
    _check_call(type(pipe), folder.name)
    pipe.set_progress_bar_config(disable=True)
    if hasattr(getattr(pipe, "vae", None), "enable_slicing"):
        pipe.vae.enable_slicing()  # several pictures are decoded one by one: memory for one is enough
    return pipe if _offloads(device) else pipe.to(device.torch_device)


def _offloads(device: Device) -> bool:
    return device.kind == "cuda" and device.offload != "none"


def place(pipe: Pipe, device: Device) -> None:
    """Compiles ``pipe`` and leaves its weights in the main memory until they are needed, where the device says so.

    Objects that are made around the same networks for a request find the same hooks on them.
    """
    network = getattr(pipe, "unet", None) or getattr(pipe, "transformer", None)
    if device.compiled and device.kind == "cuda" and isinstance(network, torch.nn.Module):
        network.compile(dynamic=True)
    if not _offloads(device):
        return
    if device.offload == "parts":
        pipe.enable_model_cpu_offload(device=device.torch_device)
    else:
        pipe.enable_sequential_cpu_offload(device=device.torch_device)


def _stickers(folder: Path, device: Device, encoder: Path) -> Pipe:
    pipe = open_stickers(folder, encoder, device.torch_device, device.torch_dtype)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _read(loader: type[Any], folder: Path, device: Device, more: dict[str, str | None]) -> Pipe:
    """Reads the weights. ``more``: the variant, and the parts that are said to be left out, such as SD3's T5."""
    try:
        return loader.from_pretrained(
            folder,
            dtype=device.torch_dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            **more,
        )
    except (OSError, ValueError, SafetensorError) as error:
        log.warning("opening %s failed: %s", folder, error)
        raise StudioError(
            "image.broken",
            "{name} is a diffusers pipeline with parts missing or damaged, so it cannot be opened. Run python -m "
            "studio.models verify to see which files are not what they were; the log has the details.",
            name=folder.name,
        ) from error


def silence() -> None:
    """No progress bars on the server's own terminal: progress goes to the person."""
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]


def _index(folder: Path) -> dict[str, Any]:
    """``model_index.json``: the pipeline's class, and library and class of each part."""
    try:
        values = json.loads((folder / "model_index.json").read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise StudioError(
            "image.folder",
            "{name} is not a diffusers pipeline: it has no model_index.json. A single checkpoint file has to be "
            "converted with diffusers first.",
            name=folder.name,
        ) from None
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise StudioError("image.index", "The model_index.json of {name} cannot be read.", name=folder.name)
    return values


def _loader(index: dict[str, Any], name: str, programs: list[str]) -> type[Any]:
    """Which of diffusers' loaders reads it. Refuses whatever would need, or brings, ``programs`` in the folder."""
    kind = index.get("_class_name")
    parts = {part: value for part, value in index.items() if not part.startswith("_") and isinstance(value, list)}
    libraries = {str(value[0]) for value in parts.values() if value and value[0] is not None}
    foreign = sorted(library for library in libraries if library not in _LIBRARIES and not _is_ours(library))
    if not isinstance(kind, str) or foreign or programs:
        raise StudioError(
            "image.code",
            "{name} brings its own code ({parts}), which is never run. Only pipelines that are part of diffusers "
            "can be used.",
            name=name,
            parts=", ".join(foreign + programs) or str(kind),
        )
    known = {pipeline.__name__ for pipeline in AUTO_TEXT2IMAGE_PIPELINES_MAPPING.values()}
    found = getattr(diffusers, kind, None)
    if kind not in known and isinstance(found, type) and _is_from_words(found):
        return DiffusionPipeline
    if kind not in known and not any(_family(kind) == _family(other) for other in known):
        raise StudioError(
            "image.kind",
            "{name} is a {kind}, which does not make pictures from words alone, or which this version of diffusers "
            "({version}) does not know.",
            name=name,
            kind=kind,
            version=diffusers.__version__,
        )
    return AutoPipelineForText2Image


def _is_ours(library: str) -> bool:
    """A part may live in a module of diffusers' own pipelines, such as ``stable_diffusion`` (the safety checker)."""
    return hasattr(diffusers.pipelines, library)


def _family(kind: str) -> str:
    """StableDiffusionXLImg2ImgPipeline -> StableDiffusionXL: the same weights serve the pipeline from words."""
    return kind.removesuffix("Pipeline").removesuffix("Inpaint").removesuffix("Img2Img")


def _is_from_words(kind: type[Any]) -> bool:
    parameters = inspect.signature(kind.__call__).parameters
    return {"prompt", "num_inference_steps", "callback_on_step_end", "num_images_per_prompt"} <= set(
        parameters
    ) and not ({"image", "mask_image", "video", "num_frames"} & set(parameters))


def _variant(files: list[str]) -> str | None:
    """fp16 where every part has its weights only in that form, as the catalogue fetches them."""
    weights = [file for file in files if file.endswith(".safetensors") and "/" in file]
    return "fp16" if weights and all(".fp16" in file for file in weights) else None


def _check_call(kind: type[Any], name: str) -> None:
    takes = inspect.signature(kind.__call__).parameters
    told = "latents" in (getattr(kind, "_callback_tensor_inputs", None) or ()) and "callback_on_step_end" in takes
    if not told and not {"callback", "callback_steps"} <= set(takes):  # PixArt has the older way
        raise StudioError(
            "image.unstoppable",
            "{name} is a {kind}, which cannot be stopped between steps, so nobody else could use the device meanwhile. "
            "Choose another model.",
            name=name,
            kind=kind.__name__,
        )


def fresh_pipeline(pipe: Pipe, scheduler: Any, kind: type[Any] | None = None) -> Pipe:
    """A pipeline object of its own for one run, sharing the weights of ``pipe``; of its class, or of ``kind``.

    Pipelines keep the state of a run in themselves. ``from_pipe`` would cast the shared weights to float32
    (diffusers#12754); the class itself does not. Settings that are no parts go along.
    """
    kind = kind or type(pipe)
    taken = inspect.signature(kind.__init__).parameters
    settings = {name: value for name, value in pipe.config.items() if name in taken and not name.startswith("_")}
    parts = {name: part for name, part in pipe.components.items() if name in taken}
    plain = {name: value for name, value in settings.items() if name not in parts}
    fresh: Pipe = kind(**{**plain, **parts, "scheduler": scheduler})
    fresh.set_progress_bar_config(disable=True)
    return fresh
