"""Atelier: ``python app.py`` starts the studio; ``python app.py --help`` lists its settings."""

from __future__ import annotations

import gc
import logging
import sys

from pipelines.errors import StudioError
from studio.settings import Settings


def main() -> None:
    settings = Settings(_cli_parse_args=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    for talkative in ("httpx", "alembic", "mcp"):
        logging.getLogger(talkative).setLevel(logging.WARNING)

    gc.disable()  # importing makes much and drops nothing: collecting meanwhile costs a seventh of the start
    import uvicorn

    from studio.closing import quietly
    from studio.web import build_app

    try:
        app = build_app(settings)
    except StudioError as error:
        sys.exit(str(error))
    gc.freeze()
    gc.enable()
    if settings.auth and not app.state.studio.accounts.everybody():
        print("There is no account yet: python -m studio.accounts add NAME --role administrator", flush=True)  # noqa: T201
    print(f"Atelier opens at http://{settings.host}:{settings.port}  (Ctrl+C closes it)", flush=True)  # noqa: T201
    quietly()
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        timeout_graceful_shutdown=3,
        proxy_headers=False,  # studio.entrance.proxies looks at the peer before it believes them
    )


if __name__ == "__main__":
    main()
