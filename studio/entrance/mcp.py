"""How MCP calls reach the studio: gradio answers a tool's call by a call of its own over HTTP.

Left to itself it takes the address for that from the first caller's Host header, for everybody's calls from then on,
and sends their tokens there. Here it is this machine's, and the calls carry the secret that leads through the gate.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import gradio as gr
from gradio_client import Client

from studio.entrance.inside import HEADER, Inside
from studio.settings import Settings


def call_ourselves(page: gr.Blocks, settings: Settings, inside: Inside) -> None:
    """Gives the MCP server of ``page`` a client that speaks to this very process."""
    address = own_address(settings)

    @cache
    def client() -> Client:
        headers = {"x-gradio-user": "mcp", HEADER: inside.secret}
        return Client(address, download_files=False, verbose=False, analytics_enabled=False, headers=headers)

    server: Any = page.mcp_server_obj
    server._get_or_create_client = client


def own_address(settings: Settings) -> str:
    """Where this process can reach itself."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
