"""``build_app(settings)``: FastAPI with the page, the API and the file routes on it; startup and shutdown.

Knows how the parts are mounted and what is sent with every answer. Imports no torch, and neither does anything it
imports: the first page answers while the worker is still starting.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.entrance.account import account_routes
from studio.entrance.doors import GradioDoors
from studio.entrance.gate import Gate
from studio.entrance.hosts import KnownHosts
from studio.entrance.inside import Inside
from studio.entrance.last import LastResort, speak_plainly
from studio.entrance.limits import BodyLimit
from studio.entrance.origins import SameOrigin
from studio.entrance.proxies import Proxies
from studio.entrance.room import Room
from studio.entrance.shared import shared_routes
from studio.entrance.signing import sign_in_routes
from studio.entrance.surface import Surface
from studio.health import health_routes
from studio.lean import no_matplotlib, no_stubs
from studio.owners import GiveCookie
from studio.routes import routes
from studio.runs import run_routes
from studio.services import Studio, open_studio
from studio.settings import ASSETS, Settings
from studio.shelf import shelf_routes
from studio.sweeps import sweep_routes

#: seconds between two looks of gradio's queue for something to do: its own thousand a second cost 6 % of a core
QUEUE_LOOKS = 0.01
#: nothing is loaded from another host; 'unsafe-inline' and 'unsafe-eval' are what gradio's own front end needs
CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; worker-src 'self' blob:; font-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'"
)


def build_app(settings: Settings) -> FastAPI:
    """The whole studio as an ASGI application; the engine starts and ends with it. ``app.state.studio`` is inside."""
    settings.check_reach()
    _prepare_environment(settings)
    studio, inside = open_studio(settings), Inside()
    app = build_routes(studio, inside)
    _mount_page(app, studio, inside)
    return app


def build_routes(studio: Studio, inside: Inside) -> FastAPI:
    """Everything but the page that gradio draws: our own routes, and what stands around them and it."""
    app = FastAPI(title="Atelier", docs_url=None, redoc_url=None, openapi_url=None, lifespan=_lifespan(studio))
    app.state.studio = studio
    app.include_router(routes(studio))
    app.include_router(run_routes(studio))
    app.include_router(sweep_routes(studio))
    app.include_router(shelf_routes(studio))
    app.include_router(health_routes(studio))
    if studio.settings.auth:
        app.include_router(sign_in_routes(studio))
        app.include_router(account_routes(studio))
        app.include_router(shared_routes(studio))
    speak_plainly(app)
    app.mount("/assets/studio", StaticFiles(directory=ASSETS), name="studio-assets")
    _guard(app, studio, inside)
    return app


def _guard(app: FastAPI, studio: Studio, inside: Inside) -> None:
    """What stands around every route, gradio's too. The last that is added hears of a request first."""
    settings = studio.settings
    app.add_middleware(GradioDoors, studio.handed)
    app.add_middleware(Room, studio)
    app.add_middleware(BodyLimit, upload_mb=settings.upload_mb)
    app.add_middleware(Gate, studio.accounts, inside, settings.root_path, settings.auth_header)
    app.add_middleware(SameOrigin, inside, settings.auth_header)
    if not settings.auth:
        app.add_middleware(GiveCookie, secure=settings.cookie_secure)
    if not settings.auth:
        app.add_middleware(KnownHosts, [settings.host, *settings.host_names.split(",")])
    app.add_middleware(LastResort)
    app.add_middleware(SafeHeaders)
    app.add_middleware(Proxies, settings.auth_proxies, settings.auth_header)


def _prepare_environment(settings: Settings) -> None:
    """gradio and the hub client read these when they are imported."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(settings.temporary)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    no_matplotlib()


def _mount_page(app: FastAPI, studio: Studio, inside: Inside) -> None:
    with no_stubs():
        import gradio as gr

        from studio.api import build_api
        from studio.entrance.mcp import call_ourselves
        from studio.entrance.shapes import Shapes
        from studio.tabs import build_page, page_options

    demo = build_page(studio)
    with demo:
        build_api(studio)
    demo.max_threads = 200
    demo.queue(default_concurrency_limit=None)
    demo._queue.sleep_when_free = QUEUE_LOOKS
    gr.mount_gradio_app(
        app,
        demo,
        path="/",
        root_path=studio.settings.root_path or None,
        server_name=studio.settings.host,
        server_port=studio.settings.port,
        max_file_size=f"{studio.settings.upload_mb}mb",
        run_history=False,
        ssr_mode=False,
        show_error=True,
        mcp_server=True,
        **page_options(),
    )
    app.state.page = demo
    call_ourselves(demo, studio.settings, inside)
    mounted = app.routes[-1]
    if not isinstance(mounted, Mount) or not isinstance(mounted.app, FastAPI):
        raise TypeError("gradio's application is not where it was mounted")
    speak_plainly(mounted.app)
    mounted.app = Surface(Shapes(mounted.app, demo))


def _lifespan(studio: Studio) -> Any:
    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        studio.start()  # only now: the worker's start would otherwise compete with the page's for the cores
        yield
        studio.close()

    return lifespan


class SafeHeaders:
    """ASGI middleware: the content policy and its companions on every answer. No answer of ours is for a page of
    another origin to read, which gradio would allow."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in [name for name in headers if name.startswith("access-control-")]:
                    del headers[name]
                headers["Content-Security-Policy"] = CONTENT_POLICY
                headers["X-Content-Type-Options"] = "nosniff"
                headers["Referrer-Policy"] = "same-origin"
            await send(message)

        await self._app(scope, receive, with_headers)
