"""Sessions as metrics: cumulative series, a point whenever one changes, at the time it changed (pure).

What makes the sums exact, for history as for live sessions, and whoever sends what in which order, is in
docs/metrics.md.
"""

from otel_bridge.convert.metrics.series import NOTHING_SENT, Sent, identity
from otel_bridge.convert.metrics.session import MergedMetrics, session_metrics

__all__ = ["NOTHING_SENT", "MergedMetrics", "Sent", "identity", "session_metrics"]
