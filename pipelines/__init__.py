"""Models. Turns a typed request into text, pictures or trained weights.

Nothing below this folder knows of a page, a database or a person; nothing here imports ``studio``.
"""
