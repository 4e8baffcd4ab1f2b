"""What an update of the curves costs the browser when a training has many steps behind it.

A real training of points in the plane, whose steps are quick, followed by a page until it has that many; then the
page's own measure of each update is read: parsing what is new, adding it, and drawing every chart.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page

from benchmarks.followed import Studio, browser, open_training
from benchmarks.servers import server

WATCHED = 12.0  # seconds in which updates are timed
PATIENCE = 900.0  # seconds to come to the wanted step
OBSERVE = """
window.costs = [];
const noted = (list) => window.costs.push(...list.getEntriesByName("curves").map((one) => one.duration));
new PerformanceObserver(noted).observe({type: "measure", buffered: true});
"""


def page_update_ms(history: int, threads: int) -> float:
    """The median, in milliseconds, over the updates of some seconds after ``history`` steps."""
    with tempfile.TemporaryDirectory() as data, server(Path(data), "--threads", str(threads)) as running:
        running.wait_ready()
        with browser() as chrome:
            page = chrome.new_page(viewport={"width": 1440, "height": 900})
            page.add_init_script(OBSERVE)
            studio = Studio(running.url, open_training(page, running.url))
            settings = json.dumps({"seconds": 0, "steps": 1_000_000, "seed": 1})
            job_id = studio.call("start_training", "r1", "ring", settings)
            page.reload()
            page.locator("#page-training-button").click()
            _wait_for(page, history)
            page.evaluate("window.costs.length = 0")
            page.wait_for_timeout(1000 * WATCHED)
            costs = page.evaluate("window.costs")
            steps = _step(page)
            studio.call("cancel_job", job_id)
    print(f"{len(costs)} updates after {steps} steps, the slowest {max(costs):.0f} ms", flush=True)
    return float(statistics.median(costs))


def _step(page: Page) -> int:
    """Where the page says the training is: "12,345 / 1,000,000"."""
    shown = page.locator("#training-step").inner_text(timeout=60_000)
    digits = "".join(filter(str.isdigit, shown.split("/")[0]))
    return int(digits or 0)


def _wait_for(page: Page, step: int) -> None:
    end = time.monotonic() + PATIENCE
    while _step(page) < step:
        if time.monotonic() > end:
            raise TimeoutError(f"the training did not come to step {step} within {PATIENCE:.0f} s")
        page.wait_for_timeout(500)
