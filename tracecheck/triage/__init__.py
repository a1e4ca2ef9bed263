"""Which findings count: those that are neither suppressed nor known from a baseline."""

from tracecheck.triage.baseline import Baseline, Known
from tracecheck.triage.suppressions import Suppression, parse_suppressions, wildcard
from tracecheck.triage.triage import Triage, triage

__all__ = ["Baseline", "Known", "Suppression", "Triage", "parse_suppressions", "triage", "wildcard"]
