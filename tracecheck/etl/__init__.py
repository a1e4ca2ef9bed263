"""The container: .etl files to columns of records, and the losses that a log admits.

Knows buffers, record headers, clocks and extended items; nothing of drivers or of what payloads mean.
"""

from tracecheck.etl.clock import Clock
from tracecheck.etl.header import LogHeader
from tracecheck.etl.layout import KIND_NAMES, Ext, Kind
from tracecheck.etl.reader import Chunk, Log, open_log
from tracecheck.etl.tables import LOSSES, RECORDS, plain_rows

__all__ = [
    "KIND_NAMES",
    "LOSSES",
    "RECORDS",
    "Chunk",
    "Clock",
    "Ext",
    "Kind",
    "Log",
    "LogHeader",
    "open_log",
    "plain_rows",
]
