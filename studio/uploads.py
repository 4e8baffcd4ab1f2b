"""A file input that takes uploads and nothing else.

What is posted in a file's place is anybody's text: a web address would be fetched, and some spellings of a path get
past gradio's own check. Here only a file that lies in the upload folder counts as one.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.utils import get_upload_folder

from studio.lean import no_stubs

with no_stubs():  # gradio would write a stub for this class beside this very file

    class Upload(gr.File):
        """``gr.File`` for which only an uploaded file is a file."""

        is_template = True  # gradio's word for: to the browser this is its parent, a plain file component

        async def async_move_resource_to_block_cache(self, url_or_file_path: str | Path | None) -> str | None:
            if url_or_file_path is not None and not _is_uploaded(str(url_or_file_path)):
                raise gr.Error(
                    "A file must be uploaded; a web address or a path on the server is not read.", print_exception=False
                )
            return await super().async_move_resource_to_block_cache(url_or_file_path)


def _is_uploaded(path: str) -> bool:
    return Path(path).resolve().is_relative_to(Path(get_upload_folder()).resolve())
