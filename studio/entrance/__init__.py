"""The way in: who may ask for what before any handler hears of it, and the few pages people see on the way.

Knows ASGI, cookies and the accounts. Does not know the page nor what is made on it. Its pages are plain HTML and work
without scripts.
"""
