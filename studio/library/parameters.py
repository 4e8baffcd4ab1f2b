"""The recipe of a picture that was made elsewhere, in the words of our own requests.

AUTOMATIC1111's programs (and Forge, Civitai, SD.Next and many others, who write the same) put a text chunk named
``parameters`` into a PNG: the prompt, a line that begins with ``Negative prompt:``, and a last line of
``Name: value`` pairs. JPEG and WebP carry it as an EXIF comment. ComfyUI writes its graph as JSON in a chunk named
``prompt``; the words and the sampler are looked for in it. Whatever is not known, or is no value of its setting, is
left out and named: nothing that stands in a file is trusted. Knows no pixel.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from pipelines.errors import StudioError
from pipelines.image.request import ImageRequest
from pipelines.parameters import comment_of, texts_of
from pipelines.pictures import check_header
from studio.library.recipe import KEY

#: their samplers, in lower case and without their schedule, by the name of ours
_SAMPLERS: Mapping[str, str] = {
    "ddim": "ddim",
    "ddpm": "ddpm",
    "dpm++ 2m": "dpm++ 2m",
    "dpmpp_2m": "dpm++ 2m",
    "dpm++ 2m sde": "dpm++ 2m",
    "euler": "euler",
    "euler a": "euler a",
    "euler_ancestral": "euler a",
    "heun": "heun",
    "lcm": "lcm",
    "plms": "pndm",
    "pndm": "pndm",
    "unipc": "unipc",
    "uni_pc": "unipc",
}
_PAIR = re.compile(r'\s*([A-Za-z][\w ./+-]*?):\s*("(?:\\.|[^"\\])*"|[^,]*)(?:,|$)')
#: characters of a text that are read, and of a value that is named
_LONGEST, _NAMED = 200_000, 80


@dataclass(frozen=True)
class Found:
    """``kind`` of job and ``settings`` of its request; ``source`` of the recipe; what else it says is in ``other``."""

    kind: str
    settings: Mapping[str, Any]
    source: str
    other: Mapping[str, str] = field(default_factory=dict)


def read_recipe(data: bytes) -> Found:
    """What the picture in ``data`` says of how it was made. Raises ``StudioError`` where it says nothing we know."""
    texts = _texts(data)
    ours = _json(texts.get(KEY, ""))
    if ours is not None and isinstance(ours.get("settings"), dict):
        seed = {} if ours.get("seed") is None else {"seed": ours["seed"]}
        return _ours(str(ours.get("kind", "image"))[:_NAMED], {**ours["settings"], **seed})
    for name in ("parameters", "UserComment"):
        if texts.get(name, "").strip():
            settings, other = read_parameters(texts[name])
            return Found("image", settings, "parameters", other)
    if (graph := _json(texts.get("prompt", ""))) is not None and (settings := read_graph(graph)):
        return Found("image", settings, "comfyui")
    raise StudioError(
        "recipe.none",
        "This picture does not say how it was made: it has no recipe of this studio, of AUTOMATIC1111's or of "
        "ComfyUI's. Programs that send pictures on often take it out.",
    )


def _ours(kind: str, settings: Mapping[str, Any]) -> Found:
    """A recipe of our own kind, which anybody may have written: of a picture's, what is no value is left out."""
    if kind != "image":
        return Found(kind, settings, "atelier")
    fitting = dict(_fitting(settings))
    return Found(
        kind,
        fitting,
        "atelier",
        {str(name)[:_NAMED]: str(value)[:_NAMED] for name, value in settings.items() if name not in fitting},
    )


def read_parameters(text: str) -> tuple[dict[str, Any], dict[str, str]]:
    """AUTOMATIC1111's text as settings of an image request, and what of it we have no use for."""
    lines = text[:_LONGEST].strip().splitlines()
    last = lines.pop() if lines and len(_PAIR.findall(lines[-1])) >= 3 else ""
    words, _, negative = "\n".join(lines).partition("Negative prompt:")
    pairs = {name.strip(): value.strip().strip('"') for name, value in _PAIR.findall(last)}
    settings: dict[str, Any] = {"prompt": words.strip(), "negative_prompt": negative.strip()}
    used = set()
    for name, setting, of in _KNOWN:
        if name in pairs and (value := of(pairs[name])) is not None:
            settings[setting] = value
            used.add(name)
    if (size := re.fullmatch(r"(\d{1,9})\s*x\s*(\d{1,9})", pairs.get("Size", ""))) is not None:
        settings |= {"width": int(size[1]), "height": int(size[2])}
        used.add("Size")
    if "Sampler" in pairs and (sampler := _sampler(pairs["Sampler"], pairs.get("Schedule type", ""))):
        settings["scheduler"] = sampler
        used |= {"Sampler", "Schedule type"}
    return _kept(settings), {name: value for name, value in pairs.items() if name not in used}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _whole(text: str) -> int | None:
    found = _number(text)
    return None if found is None or not math.isfinite(found) else int(found)


_KNOWN = (
    ("Steps", "steps", _whole),
    ("Seed", "seed", _whole),
    ("CFG scale", "guidance", _number),
    ("Distilled CFG Scale", "guidance", _number),
    ("Denoising strength", "strength", _number),
    ("Hires upscale", "enlarge", _number),
)


def _sampler(name: str, schedule: str = "") -> str:
    plain = name.casefold().strip()
    karras = plain.endswith("karras") or schedule.casefold() == "karras"
    plain = plain.removesuffix("karras").strip()
    found = _SAMPLERS.get(plain, "")
    return f"{found} karras" if found == "dpm++ 2m" and karras else found


def read_graph(graph: Mapping[str, Any]) -> dict[str, Any]:
    """ComfyUI's graph: the first sampler there is, and the words that lead to it. Empty where there is none."""
    nodes = {str(name): node for name, node in graph.items() if isinstance(node, dict)}
    sampler = next((node for node in nodes.values() if "Sampler" in str(node.get("class_type", ""))), None)
    if sampler is None:
        return {}
    inputs = _inputs(sampler)
    settings: dict[str, Any] = {
        "prompt": _words(nodes, inputs.get("positive")),
        "negative_prompt": _words(nodes, inputs.get("negative")),
        "steps": inputs.get("steps"),
        "seed": inputs.get("seed", inputs.get("noise_seed")),
        "guidance": inputs.get("cfg"),
        "scheduler": _sampler(str(inputs.get("sampler_name", "")), str(inputs.get("scheduler", ""))) or None,
        "strength": inputs.get("denoise"),
    }
    latent = _follow(nodes, inputs.get("latent_image"), ("width", "height"))
    return _kept({**settings, **latent})


def _inputs(node: Mapping[str, Any]) -> Mapping[str, Any]:
    found = node.get("inputs")
    return found if isinstance(found, dict) else {}


def _words(nodes: Mapping[str, Any], link: Any) -> str:
    found = _follow(nodes, link, ("text",)).get("text", "")
    return found if isinstance(found, str) else ""


def _follow(nodes: Mapping[str, Any], link: Any, wanted: tuple[str, ...]) -> dict[str, Any]:
    """The inputs ``wanted`` of the nearest node that has them, going back from a link ``[node, output]``."""
    waiting, seen = [link], set()
    while waiting:
        here = waiting.pop(0)
        if not (isinstance(here, list) and here) or str(here[0]) in seen:
            continue
        seen.add(str(here[0]))
        inputs = _inputs(nodes.get(str(here[0]), {}))
        if all(name in inputs and not isinstance(inputs[name], list) for name in wanted):
            return {name: inputs[name] for name in wanted}
        waiting += list(inputs.values())
    return {}


def _kept(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Only what was said and can be asked for: a number beyond what a request takes is brought to its edge."""
    near = {name: _at_the_edge(name, value) for name, value in settings.items()}
    return dict(_fitting({name: value for name, value in near.items() if value not in (None, "")}))


def _at_the_edge(name: str, value: Any) -> Any:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        return value
    rules = ImageRequest.model_fields[name].metadata
    low = next((rule.ge for rule in rules if getattr(rule, "ge", None) is not None), None)
    high = next((rule.le for rule in rules if getattr(rule, "le", None) is not None), None)
    step = next((rule.multiple_of for rule in rules if getattr(rule, "multiple_of", None)), None)
    near = value if low is None else max(low, value)
    near = near if high is None else min(high, near)
    return near if step is None else int(near // step * step)


def _fitting(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Those of ``settings`` that an image request has, each with a value of its setting."""
    for name, value in settings.items():
        rule = _rules().get(name)
        if rule is None:
            continue
        try:
            yield name, rule.dump_python(rule.validate_python(value), mode="json")
        except (ValidationError, StudioError, RecursionError):
            continue


@cache
def _rules() -> dict[str, TypeAdapter[Any]]:
    return {name: TypeAdapter(Annotated[one.annotation, one]) for name, one in ImageRequest.model_fields.items()}


def _json(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _texts(data: bytes) -> dict[str, str]:
    """The texts in the file, of chunks and of EXIF, without a pixel being decoded. Raises as ``open_picture`` does."""
    check_header(data).close()
    return {name: text[:_LONGEST] for name, text in {**texts_of(data), "UserComment": comment_of(data)}.items()}
