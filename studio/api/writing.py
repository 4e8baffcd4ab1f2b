"""The endpoints that write: text, and a longer prompt for a picture."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from studio.api.making import Making
from studio.api.offering import Info, listed, offer
from studio.owners import owner_of
from studio.tabs.expanding import expanded


class Writing(Making):
    """Endpoints of the language models."""

    def build(self) -> None:
        """Adds them to the Blocks around the call."""
        offer(self.generate_text, self._text_fields(), [gr.Textbox(label="text"), gr.JSON(label="info")])
        short = [gr.Textbox(label="prompt"), gr.Textbox("", label="model"), gr.Number(-1, label="seed")]
        offer(self.expand_prompt, short, [gr.Textbox(label="prompt")])

    @staticmethod
    def _text_fields() -> list[Any]:
        return [
            gr.Textbox(label="prompt"),
            gr.Textbox("", label="system"),
            gr.Textbox("", label="model"),
            gr.Number(256, label="max_new_tokens"),
            gr.Number(0.7, label="temperature"),
            gr.Number(0.95, label="top_p"),
            gr.Number(-1, label="seed"),
            gr.Number(50, label="top_k"),
            gr.Number(1.1, label="repetition_penalty"),
            listed("stop", {"type": "string"}),
            gr.Textbox("chat", label="mode"),
            listed("history", {"type": "array", "items": {"type": "string"}}),
        ]

    async def generate_text(
        self,
        prompt: str,
        system: str,
        model: str,
        max_new_tokens: float,
        temperature: float,
        top_p: float,
        seed: float,
        top_k: float,
        repetition_penalty: float,
        stop: list[str] | None,
        mode: str,
        history: list[list[str]] | None,
        request: gr.Request,
    ) -> AsyncIterator[tuple[str, Info]]:
        """Write text with a language model; streams the text so far, and info about the job.

        Args:
            prompt: What to answer or to continue.
            system: Instructions that hold for the whole conversation.
            model: A catalogue name or a Hugging Face id; empty for the default.
            max_new_tokens: How long at most, in tokens, 1 to 2048.
            temperature: 0 is always the likeliest word, 2 very free.
            top_p: Only words within this share of the probability, above 0 to 1.
            seed: The same seed gives the same text; -1 for a fresh one, returned in info.
            top_k: Only the this many likeliest words; 0 for all.
            repetition_penalty: Above 1 words already used become less likely.
            stop: Up to 8 strings that end the text when they appear.
            mode: chat or continue.
            history: Earlier turns as [role, text], role user or assistant, oldest first.
        """
        values = {
            "prompt": prompt, "system": system, "model": model, "max_new_tokens": max_new_tokens,
            "temperature": temperature, "top_p": top_p, "seed": seed, "top_k": top_k,
            "repetition_penalty": repetition_penalty, "stop": stop or [], "mode": mode, "history": history or [],
        }  # fmt: skip
        owner = owner_of(request)
        job = self._studio.submit(owner, "text", values)
        text = ""
        async for batch in self._studio.jobs.follow(owner, job.id):
            new = "".join(event.data["text"] for event in batch if event.kind == "token")
            if new:
                text += new
                rate = next(event.data["rate"] for event in reversed(batch) if event.kind == "token")
                yield text, {"job_id": job.id, "seed": job.seed, "state": "running", "tokens_per_second": rate}
        ended = self._ended(owner, job)
        yield text, self._info(ended)

    async def expand_prompt(self, prompt: str, model: str, seed: float, request: gr.Request) -> AsyncIterator[str]:
        """Make a longer prompt for a picture out of a few words, with a language model; streams it.

        Args:
            prompt: A few words.
            model: A language model of the catalogue; empty for the default.
            seed: The same seed gives the same prompt; -1 for a fresh one.
        """
        async for text in expanded(self._studio, owner_of(request), prompt, int(seed), model):
            yield text
