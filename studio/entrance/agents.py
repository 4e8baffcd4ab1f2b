"""What a browser is called, of the long line it says of itself: for a list in which people look for their own.

Knows the few that most people use, from the more special to the more general, as each also says it is the next.
"""

from __future__ import annotations

_BROWSERS = {
    "Edg": "Edge", "OPR/": "Opera", "SamsungBrowser": "Samsung Internet", "Firefox": "Firefox", "FxiOS": "Firefox",
    "CriOS": "Chrome", "Chrome": "Chrome", "Safari": "Safari",
}  # fmt: skip
_SYSTEMS = {
    "Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "Mac OS X": "macOS",
    "CrOS": "ChromeOS", "Linux": "Linux",
}  # fmt: skip


def browser_named(agent: str) -> str:
    """Such as Firefox, Windows; what is none of those says its own line."""
    browser = next((name for word, name in _BROWSERS.items() if word in agent), "")
    system = next((name for word, name in _SYSTEMS.items() if word in agent), "")
    return ", ".join(filter(None, (browser, system))) if browser else agent or "–"
