"""`export --format chrome`: lives, calls, counts and gaps over time, for Perfetto and chrome://tracing.

Source of the format: "Trace Event Format", Google; the JSON Object Format with complete (X), instant (i),
counter (C), nestable asynchronous (b, e) and metadata (M) events.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tracecheck.etl.columns import NO_ID
from tracecheck.payload.arrow import whole
from tracecheck.reporters.common import clean, dump, iso_time, pointer, rows
from tracecheck.reporters.export.spans import nested
from tracecheck.reporters.json_report import type_name
from tracecheck.reporters.live import lifetimes, live_counts, times
from tracecheck.reporters.losses import loss_line
from tracecheck.reporters.names import context_kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from tracecheck.capture import Analysis

# Rows that are turned into text at once.
_BLOCK = 1 << 14
_CALL = '{"ph":%s"ts":%d.%03d,"pid":%d,"tid":%d,"cat":"operation","name":%s,"args":{"order":%d%s%s%s%s%s%s}}'


@dataclass(frozen=True)
class _Scale:
    """The times and the numbers of a trace.

    Attributes:
        origin: The moment that is zero, nanoseconds since 1970.
        end: The last moment of all.
        capture: The process number under which is shown what no process did.
        unknown: That of operations whose process is not known; also the number of unknown threads.
    """

    origin: int
    end: int
    capture: int
    unknown: int

    def ts(self, nanoseconds: int) -> str:
        """Write a time in microseconds, to the nanosecond; what lies outside the capture lies at its edge."""
        micros, rest = divmod(min(max(nanoseconds, self.origin), self.end) - self.origin, 1000)
        return f"{micros}.{rest:03d}"


def render(analysis: Analysis) -> Iterator[str]:
    """Write a capture as a trace.

    Args:
        analysis: What is shown.

    Yields:
        Pieces of one JSON object, ASCII only; times are microseconds since ``otherData.origin``, exact to the
        nanosecond. Pointers are ``"0x…"``.
    """
    scale = _scale(analysis)
    about = {"origin": iso_time(scale.origin), "captures": [clean(path) for path in analysis.paths]}
    yield f'{{"displayTimeUnit": "ns", "otherData": {dump(about)},\n "traceEvents": ['
    separator = "\n"
    for piece in _events(analysis, scale):
        yield f"{separator}{piece}"
        separator = ",\n"
    yield "\n]}\n"


def _events(analysis: Analysis, scale: _Scale) -> Iterator[str]:
    """Give the events, one or several in a piece with commas between."""
    yield from _processes(analysis, scale)
    yield from _losses(analysis, scale)
    yield from _findings(analysis, scale)
    yield from _counters(analysis, scale)
    yield from _lives(analysis, scale)
    yield from _calls(analysis, scale)


def _scale(analysis: Analysis) -> _Scale:
    operations = analysis.operations
    when = [times(analysis.contexts, "first"), times(analysis.contexts, "last"), times(operations, "time")]
    if operations.num_rows:
        # Null is 0 here, and means that the call has no beginning of its own.
        valid = np.asarray(operations.column("begin").is_valid().to_numpy(), np.bool_)
        when.append(times(operations, "begin")[valid])
    every = np.concatenate(when)
    taken = set(np.unique(_column(operations, "pid")).tolist()) if operations.num_rows else set()
    free = (number for number in range(1, len(taken) + 3) if number not in taken)
    first, last = (int(every.min()), int(every.max())) if every.size else (0, 0)
    return _Scale(first, last, next(free), next(free))


def _processes(analysis: Analysis, scale: _Scale) -> Iterator[str]:
    """Name the processes."""
    names = {scale.capture: "capture", scale.unknown: "unknown process"}
    operations = analysis.operations
    if operations.num_rows and "process" in operations.schema.names:
        column = whole(operations.column("process"))
        pids, first = np.unique(_column(operations, "pid"), return_index=True)
        told = column.take(pa.array(first.tolist(), pa.int64())).cast(pa.string()).to_pylist()
        names |= {
            pid: clean(name) for pid, name in zip(pids.tolist(), told, strict=True) if name and pid != NO_ID
        }
    for pid, name in names.items():
        yield dump({"ph": "M", "name": "process_name", "pid": pid, "tid": 0, "args": {"name": name}})


def _losses(analysis: Analysis, scale: _Scale) -> Iterator[str]:
    """Mark what is missing: a span from its beginning to its end, at most the capture's."""
    for place, loss in enumerate(rows(analysis.losses)):
        start = scale.origin if loss["start"] is None else loss["start"]
        end = scale.end if loss["end"] is None else max(loss["end"], start)
        same = f'"cat":"loss","name":"events missing","id":"{place:#x}","pid":{scale.capture},"tid":0'
        yield f'{{"ph":"b","ts":{scale.ts(start)},{same},"args":{dump({"what": loss_line(loss)})}}}'
        yield f'{{"ph":"e","ts":{scale.ts(end)},{same}}}'


def _findings(analysis: Analysis, scale: _Scale) -> Iterator[str]:
    """Mark the findings, where they are of a moment on the thread that was at fault."""
    operations = analysis.operations
    for finding in rows(analysis.findings):
        pid, tid, when = scale.capture, 0, finding["time"]
        if finding["operations"]:
            at = finding["operations"][0]
            pid, tid = (operations.column(name)[at].as_py() for name in ("pid", "tid"))
            pid, tid = (scale.unknown if number == NO_ID else number for number in (pid, tid))
            when = operations.column("time")[at].value
        told = {name: finding[name] for name in ("rule", "severity", "confidence", "signature")}
        args = {**told, "message": clean(finding["message"]), "context": pointer(finding["context"])}
        name = f"{finding['rule']} {finding['severity']}"
        moment = scale.ts(scale.origin if when is None else when)
        yield (
            f'{{"ph":"i","s":"t","ts":{moment},"pid":{pid},"tid":{tid},'
            f'"cat":"finding","name":{dump(name)},"args":{dump(args)}}}'
        )


def _counters(analysis: Analysis, scale: _Scale) -> Iterator[str]:
    """Count the living contexts of each type."""
    for kind, (when, alive) in live_counts(analysis.contexts).items():
        head = f'"pid":{scale.capture},"tid":0,"name":{dump(f"living {context_kind(kind)}s")}'
        for moment, count in zip(when.tolist(), alive.tolist(), strict=True):
            yield f'{{"ph":"C","ts":{scale.ts(moment)},{head},"args":{{"contexts":{count}}}}}'


def _lives(analysis: Analysis, scale: _Scale) -> Iterator[str]:
    """Show each life as a span, named after its type so that viewers put lives of a type together."""
    contexts = analysis.contexts
    first, end, ended = lifetimes(contexts)
    end = np.where(ended, end, scale.end)
    for low in range(0, contexts.num_rows, _BLOCK):
        some = zip(rows(contexts.slice(low, _BLOCK)), first[low:].tolist(), end[low:].tolist(), strict=False)
        for life, start, stop in some:
            name = dump(context_kind(life["context_type"]))
            same = f'"cat":"context","name":{name},"id":"{life["id"]:#x}","pid":{scale.capture},"tid":0'
            args = {
                "context": pointer(life["pointer"]),
                "generation": life["generation"],
                "type": type_name(life["context_type"]),
                "site": clean(life["site"] or "") or None,
                "birth": life["birth"],
                "end": life["end"],
                "owned": life["owned"],
                "peak": life["peak"],
            }
            yield f'{{"ph":"b","ts":{scale.ts(start)},{same},"args":{dump(args)}}}'
            yield f'{{"ph":"e","ts":{scale.ts(stop)},{same}}}'


def _calls(analysis: Analysis, scale: _Scale) -> Iterator[str]:
    """Show each operation on its thread: from beginning to end where both are known, else as an instant."""
    operations = analysis.operations
    size = operations.num_rows
    if not size:
        return
    time, begin = times(operations, "time"), times(operations, "begin")
    begun = np.asarray(operations.column("begin").is_valid().to_numpy(), np.bool_)
    spans = nested(_column(operations, "tid"), begin, time, begun)
    routines = [dump(clean(text)) for text in _dictionary(operations, "routine")]
    told = {name: _told(name, _dictionary(operations, name)) for name in ("site", "function")}
    for low in range(0, size, _BLOCK):
        part = operations.slice(low, _BLOCK)
        rest = slice(low, low + _BLOCK)
        site = _names(part, "site", told["site"])
        columns = [
            _phases(begin[rest], time[rest], spans[rest]),
            *_micros(np.where(spans[rest], begin[rest], time[rest]), scale.origin),
            _ids(part, "pid", scale),
            _ids(part, "tid", scale),
            _names(part, "routine", routines),
            part.column("order").to_pylist(),
            _pointers(part, "context", part.column("has_context")),
            _pointers(part, "old_context", part.column("has_old_context")),
            _pointers(part, "object", part.column("object")),
            _pointers(part, "status", part.column("status").is_valid()),
            site,
            # The text of a site nearly always names the function too.
            ["" if s else f for s, f in zip(site, _names(part, "function", told["function"]), strict=True)],
        ]
        yield ",\n".join([_CALL % cells for cells in zip(*columns, strict=True)])


def _phases(begin: NDArray[np.int64], time: NDArray[np.int64], spans: NDArray[np.bool_]) -> list[str]:
    """Write the phase of each call, and how long it took where that is shown."""
    micros, rest = _micros(time, begin)
    return [
        f'"X","dur":{whole_}.{part:03d},' if span else '"i","s":"t",'
        for whole_, part, span in zip(micros, rest, spans.tolist(), strict=True)
    ]


def _micros(time: NDArray[np.int64], since: int | NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """Give the microseconds from one time to a later one, and the nanoseconds that are left over."""
    # Two times of 64 bits may be further apart than 63 bits tell.
    passed = time.view(np.uint64) - np.asarray(since, np.int64).view(np.uint64)
    return (passed // np.uint64(1000)).tolist(), (passed % np.uint64(1000)).tolist()


def _dictionary(table: pa.Table, name: str) -> list[str]:
    texts: list[str] = whole(table.column(name)).dictionary.to_pylist()
    return texts


def _told(name: str, texts: list[str]) -> list[str]:
    """Write each text as an argument that follows another; the last one is for where there is none."""
    return [*(f',"{name}":{dump(clean(text))}' for text in texts), ""]


def _names(part: pa.Table, name: str, written: list[str]) -> list[str]:
    indices = whole(part.column(name)).indices
    codes = (indices.fill_null(-1) if indices.null_count else indices).to_pylist()
    return [written[code] for code in codes]


def _ids(part: pa.Table, name: str, scale: _Scale) -> list[int]:
    return [scale.unknown if number == NO_ID else number for number in part.column(name).to_pylist()]


def _pointers(part: pa.Table, name: str, known: pa.ChunkedArray) -> list[str]:
    """Write a column of hexadecimal numbers as arguments that follow another, where they are known."""
    values = zip(part.column(name).to_pylist(), known.to_pylist(), strict=True)
    return [f',"{name}":"{value:#x}"' if shown else "" for value, shown in values]


def _column(table: pa.Table, name: str) -> NDArray[Any]:
    return np.asarray(whole(table.column(name)).to_numpy())
