"""The instruments that metrics are recorded with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import metrics

from melious._version import __version__

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)


class Instruments:
    """Histograms of the conventions, and counters of what requests cost."""

    def __init__(self, meter_provider: MeterProvider | None) -> None:
        """Make them; the global provider by default."""
        meter = metrics.get_meter("melious", __version__, meter_provider)
        self.duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            "s",
            "GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            "{token}",
            "Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )
        self.first_chunk = meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            "s",
            "Time to receive the first chunk.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self.energy = meter.create_counter("melious.energy", "kW.h", "Energy, as reported.")
        self.carbon = meter.create_counter("melious.carbon", "g", "Carbon dioxide, as reported.")
        self.water = meter.create_counter("melious.water", "L", "Cooling water, as reported.")
        self.cost = meter.create_counter("melious.cost", "EUR", "Cost, as reported.")
