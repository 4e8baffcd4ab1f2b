"""What is not made here, by role: rules over prompts, and what trained classifiers say of prompts and pictures.

Knows rules and roles. Does not know how anything is made; the engine asks here when a job comes in and when it ends.
"""
