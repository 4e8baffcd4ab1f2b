"""Pictures from words and from pictures, through any such pipeline of diffusers and through the sticker model.

``request`` says what can be asked for and is light; ``pipeline`` does it. Nothing is imported here: the web process
reads requests and must not load torch.
"""
