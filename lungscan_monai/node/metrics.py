"""What a node can be watched by, in the form that Prometheus reads."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from lungscan_monai.node.ledger import NodeLedger
from lungscan_monai.node.store import NodeStore

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_STORE_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
_ANALYSIS_BUCKETS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600)


class NodeMetrics:
    """The metrics of one node.

    Args:
        store: Whose disk is looked at.
        ledger: Knows what is in which state.
    """

    def __init__(self, store: NodeStore, ledger: NodeLedger) -> None:
        self._registry = CollectorRegistry()
        self._stores = Counter(
            "lungscan_node_stores", "C-STORE requests answered, by DICOM status", ["status"], registry=self._registry
        )
        self._store_seconds = Histogram(
            *("lungscan_node_store_seconds", "From the last byte of an object to its answer"),
            buckets=_STORE_BUCKETS,
            registry=self._registry,
        )
        self._analysis_seconds = Histogram(
            *("lungscan_node_analysis_seconds", "From the beginning of an analysis to its results, for each job"),
            buckets=_ANALYSIS_BUCKETS,
            registry=self._registry,
        )
        self._deliveries = Counter(
            "lungscan_node_deliveries", "Attempts to deliver a job's results, by outcome", ["outcome"],
            registry=self._registry,
        )  # fmt: skip
        self._registry.register(_LedgerGauges(store, ledger))

    def stored(self, status: int, seconds: float) -> None:
        """Count one C-STORE."""
        self._stores.labels(f"{status:04X}").inc()
        self._store_seconds.observe(seconds)

    def analysed(self, seconds: float) -> None:
        """Count one job that was analysed."""
        self._analysis_seconds.observe(seconds)

    def delivered(self, outcome: str) -> None:
        """Count one attempt to deliver."""
        self._deliveries.labels(outcome).inc()

    def text(self) -> bytes:
        """Return all metrics as Prometheus reads them.

        Raises:
            OutputError: If the ledger cannot be read.
        """
        return generate_latest(self._registry)


class _LedgerGauges:
    """What the ledger knows, looked up whenever somebody asks."""

    def __init__(self, store: NodeStore, ledger: NodeLedger) -> None:
        self._store, self._ledger = store, ledger

    def describe(self) -> list[Metric]:
        """Nothing beforehand, so that registering does not read the ledger."""
        return []

    def collect(self) -> Iterator[Metric]:
        states = GaugeMetricFamily(
            "lungscan_node_queue", "Open studies (received) and jobs, by state", labels=["state"]
        )
        for state, count in self._ledger.counts().items():
            states.add_metric([state], count)
        yield states
        instances = GaugeMetricFamily("lungscan_node_instances", "Instances in the ledger, by kind", labels=["kind"])
        for kind, count in self._ledger.instance_counts().items():
            instances.add_metric([kind], count)
        yield instances
        yield GaugeMetricFamily("lungscan_node_free_bytes", "Room on the store's disk", self._store.free_bytes())
