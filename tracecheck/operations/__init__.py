"""What the driver called: payloads of any format become rows of one operations table."""

from __future__ import annotations

from tracecheck.operations.assemble import assemble
from tracecheck.operations.canonical import CanonicalReader
from tracecheck.operations.coverage import Coverage
from tracecheck.operations.sequence import refine_losses, shift_back
from tracecheck.operations.table import OPERATIONS

__all__ = ["OPERATIONS", "CanonicalReader", "Coverage", "assemble", "refine_losses", "shift_back"]
