"""The child that talks to the hub: reads what to fetch as JSON from the command line, downloads it, ends.

A program of its own, so that a cancel can kill it at any byte. Files that came whole stay in the folder and are not
fetched again by the next run. Imports nothing of the studio; the caller decides what is fetched.
"""

from __future__ import annotations

import json
import sys


def main(words: str) -> None:
    """``words``: JSON with repo, revision, folder and patterns (exact file names, escaped)."""
    from huggingface_hub import snapshot_download

    asked = json.loads(words)
    snapshot_download(
        asked["repo"],
        revision=asked["revision"],
        local_dir=asked["folder"],
        allow_patterns=asked["patterns"],
        max_workers=4,
    )


if __name__ == "__main__":
    main(sys.argv[1])
