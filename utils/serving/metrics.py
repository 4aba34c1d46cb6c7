"""What Prometheus may read at /metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from utils.serving.service import Service

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counts of one server.

    Args:
        service: whose state is read when somebody asks.
    """

    def __init__(self, service: Service) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "whisper_requests",
            "Requests, by route and HTTP status",
            ["route", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "whisper_request_seconds",
            "Seconds from a request's head to the end of its answer",
            ["route"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.registry.register(_State(service))

    def answered(self, scope: Mapping[str, Any], status: int, seconds: float) -> None:
        """Count a request."""
        # What matches no route is one line: names that others make up would fill the memory.
        route = getattr(scope.get("route"), "path", "other")
        self.requests.labels(route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All of them, in Prometheus's text format."""
        return generate_latest(self.registry)


class _State(Collector):
    """The service's own counts."""

    def __init__(self, service: Service) -> None:
        self.service = service

    def collect(self) -> Iterator[Metric]:
        """Yield each metric."""
        service = self.service
        scheduler, counts = service.scheduler, service.scheduler.counts
        yield GaugeMetricFamily("whisper_active_requests", "Requests in progress", service.active)
        yield GaugeMetricFamily(
            "whisper_waiting_windows",
            "Windows of up to 30 s that wait for a worker",
            scheduler.line.waiting,
        )
        alive = sum(worker.is_alive for worker in scheduler.workers)
        yield GaugeMetricFamily("whisper_workers", "Processes that recognise", alive)
        yield CounterMetricFamily(
            "whisper_worker_restarts", "Workers that were replaced", counts.restarts
        )
        yield CounterMetricFamily(
            "whisper_audio_seconds", "Seconds of sound that were recognised", counts.audio_seconds
        )
        yield CounterMetricFamily(
            "whisper_busy_seconds", "Seconds that workers were busy", counts.busy_seconds
        )
        sizes = HistogramMetricFamily("whisper_batch_windows", "Windows that were decoded together")
        buckets = [(str(most), float(_up_to(counts.batches, most))) for most in _SIZES]
        total = float(sum(counts.batches.values()))
        windows = float(sum(size * number for size, number in counts.batches.items()))
        sizes.add_metric([], [*buckets, ("+Inf", total)], windows)
        yield sizes


def _up_to(batches: Mapping[int, int], most: int) -> int:
    return sum(number for size, number in batches.items() if size <= most)
