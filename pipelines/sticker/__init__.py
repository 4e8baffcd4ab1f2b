"""The sticker model: words to a picture with a transparent background, trained here and shipped in ``assets/sticker``.

The way of a prompt: ``prompts`` (Chinese to English, the drawing style) -> ``text`` (MiniLM's token states) ->
``transformer`` (flow matching in the latents of ``autoencoder``, 64 px) -> ``upscaler`` (256 px). ``pipeline`` is all
of it as a diffusers pipeline. How it came to be: ``packages`` and ``drawings`` -> ``data`` (pictures and captions) ->
``train`` -> ``judge`` and ``evaluate``.
"""
