"""Paints a photo in a style: 26 built-in ones, or that of any picture."""
