"""What a machine asks of the studio: does the page live, can it work, and how is it doing, in Prometheus' format.

Names no person and no prompt: numbers by kind of job and by model only. With accounts the numbers are for
administrators, their scripts included: how busy the others are is nobody else's affair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from studio.engine.status import DeviceStatus, EngineStatus
from studio.locales import language_of, t
from studio.owners import owner_of
from studio.services import Studio


def health_routes(studio: Studio) -> APIRouter:
    """All of them, bound to ``studio``."""
    router = APIRouter()
    registry = CollectorRegistry()
    registry.register(StudioCollector(studio))
    ProcessCollector(namespace="atelier_web", registry=registry)

    @router.get("/healthz")
    def alive() -> dict[str, str]:
        now = studio.jobs.status()
        ready = sum(one.worker == "ready" for one in now.devices)
        return {"status": "ok", "worker": now.worker, "devices": f"{ready} of {len(now.devices)} ready"}

    @router.get("/readyz")
    def ready() -> JSONResponse:
        now = studio.jobs.status()
        known = now.worker == "ready" or now.notice  # without a device pages answer too, and jobs wait
        return JSONResponse({"worker": now.worker, "notice": now.notice}, 200 if known else 503)

    @router.get("/metrics")
    def metrics(request: Request) -> Response:
        if studio.accounts.role_of(owner_of(request)) != "administrator":
            raise HTTPException(403, t("refused.metrics", language_of(request)))
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router


class StudioCollector(Collector):
    """Asked at each scrape: nothing is counted twice, and a restart loses nothing, as the database is what counts."""

    def __init__(self, studio: Studio) -> None:
        self._studio = studio

    def collect(self) -> Iterator[Metric]:
        now = self._studio.jobs.status()
        yield GaugeMetricFamily("atelier_worker_ready", "1 while the worker takes jobs", float(now.worker == "ready"))
        yield GaugeMetricFamily("atelier_memory_bytes", "Bytes of models on the device", now.memory_used)
        yield GaugeMetricFamily("atelier_memory_limit_bytes", "Bytes that models may take", now.memory_total)
        yield from _devices(now)
        models = GaugeMetricFamily("atelier_model_bytes", "Bytes of each model in memory", labels=["model"])
        for model, size in now.resident:
            models.add_metric([model], size)
        yield models
        yield GaugeMetricFamily("atelier_jobs_waiting", "Jobs in the queue", now.queued)
        jobs = GaugeMetricFamily("atelier_jobs", "Jobs there are, by kind and state", labels=["kind", "state"])
        seconds = CounterMetricFamily("atelier_device_seconds", "Device seconds of jobs", labels=["kind"])
        used: dict[str, float] = {}
        for kind, state, count, spent in self._studio.jobs.totals():
            jobs.add_metric([kind, state], count)
            used[kind] = used.get(kind, 0.0) + spent
        for kind, spent in used.items():
            seconds.add_metric([kind], spent)
        yield jobs
        yield seconds


def _devices(now: EngineStatus) -> Iterator[Metric]:
    """Each device with the machine it is in."""
    labels = ["device", "node"]
    gauges: list[tuple[str, str, Callable[[DeviceStatus], float]]] = [
        ("atelier_device_ready", "1 while this device's worker takes jobs", lambda one: one.worker == "ready"),
        ("atelier_device_draining", "1 while this device begins nothing more", lambda one: one.draining),
        ("atelier_device_jobs", "Jobs inside this device", lambda one: one.running),
        ("atelier_device_memory_bytes", "Bytes of models on this device", lambda one: one.memory_used),
        ("atelier_device_memory_limit_bytes", "Bytes that models may take here", lambda one: one.memory_total),
    ]
    for name, words, value in gauges:
        family = GaugeMetricFamily(name, words, labels=labels)
        for one in now.devices:
            family.add_metric([one.name, one.node], float(value(one)))
        yield family
