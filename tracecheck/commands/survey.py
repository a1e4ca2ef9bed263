"""What `info` counts: one pass over a capture, in memory that its records' number does not change."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from tracecheck.etl import open_log
from tracecheck.etl.layout import KIND_NAMES, Ext, Kind
from tracecheck.operations.canonical import PROVIDER
from tracecheck.payload.tracelogging import decode, provider_traits
from tracecheck.reporters.info import Survey
from tracecheck.reporters.names import EXTENDED_ITEMS, kernel_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tracecheck.etl import Chunk
    from tracecheck.etl.extended import Items

_CAPTURE_START = "CaptureStart"
# What an absent Coverage field of a CaptureStart event means.
_ALL = "all that its writer ever emits"
_EVENTS = (Kind.EVENT32, Kind.EVENT64)
_KERNEL = (
    Kind.SYSTEM32,
    Kind.SYSTEM64,
    Kind.COMPACT32,
    Kind.COMPACT64,
    Kind.PERFINFO32,
    Kind.PERFINFO64,
)


def survey(path: str, *, progress: Callable[[int, int], None] | None = None) -> Survey:
    """Count what a capture holds, chunk by chunk.

    Args:
        path: The file.
        progress: Called with (bytes done, bytes in all).

    Raises:
        InputError: The file is no capture, or can't be read.
    """
    counts = _Counts()
    with open_log(path) as log:
        for chunk in log.chunks():
            counts.add(chunk)
            if progress is not None:
                progress(chunk.done, log.size)
        with Path(path).open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return Survey(
            path=path,
            size=log.size,
            sha256=sha256,
            header=log.header,
            losses=log.losses(),
            buffers=log.buffers,
            compressed_buffers=log.compressed_buffers,
            warnings=list(log.warnings),
            **counts.result(),  # type: ignore[arg-type]
        )


class _Counts:
    """Sums over chunks; their size depends on how many different things occur, not on how many records."""

    def __init__(self) -> None:
        self.kinds = np.zeros(1 << 8, np.int64)
        self.kernel = np.zeros(1 << 16, np.int64)
        self.providers: Counter[bytes] = Counter()
        self.messages: Counter[tuple[bytes, int]] = Counter()
        self.described: Counter[bytes] = Counter()
        self.items = np.zeros(1 << 16, np.int64)
        self.names: dict[bytes, str] = {}
        self.routines: Counter[str] = Counter()
        self.coverage: list[str] = []
        self.first: int | None = None
        self.last: int | None = None

    def add(self, chunk: Chunk) -> None:
        """Count one chunk."""
        records = chunk.records
        if not records.num_rows:
            return
        kind = chunk.column("kind")
        self.kinds += np.bincount(kind, minlength=1 << 8)
        self._add_times(chunk.column("time"))
        encoded = records.column("provider").dictionary_encode()
        codes, guids = encoded.indices.to_numpy(), encoded.dictionary.to_pylist()
        self._add_kernel(chunk, np.isin(kind, _KERNEL))
        _add(self.providers, codes[np.isin(kind, _EVENTS)], guids)
        self._add_messages(chunk, kind == Kind.WPP_MESSAGE, codes, guids)
        self._add_items(chunk, codes, guids)

    def _add_times(self, times: NDArray[np.int64]) -> None:
        first, last = int(times.min()), int(times.max())
        self.first = first if self.first is None else min(first, self.first)
        self.last = last if self.last is None else max(last, self.last)

    def _add_kernel(self, chunk: Chunk, mask: NDArray[np.bool_]) -> None:
        group = chunk.column("group")[mask].astype(np.int64)
        opcode = chunk.column("opcode")[mask]
        self.kernel += np.bincount(group << 8 | opcode, minlength=1 << 16)

    def _add_messages(
        self, chunk: Chunk, mask: NDArray[np.bool_], codes: NDArray[np.int32], guids: list[bytes]
    ) -> None:
        number = chunk.column("id")[mask]
        keys, totals = np.unique(codes[mask].astype(np.int64) << 16 | number, return_counts=True)
        for key, total in zip(keys.tolist(), totals.tolist(), strict=True):
            self.messages[guids[key >> 16], key & 0xFFFF] += total

    def _add_items(self, chunk: Chunk, codes: NDArray[np.int32], guids: list[bytes]) -> None:
        items = chunk.items(np.arange(len(codes)))
        self.items += np.bincount(items.type, minlength=1 << 16)
        schemas = items.of_type(Ext.EVENT_SCHEMA_TL)
        _add(self.described, codes[np.unique(schemas.row)], guids)
        self._add_routines(chunk, schemas, codes[schemas.row], guids)
        traits = items.of_type(Ext.PROV_TRAITS)
        seen, first = np.unique(codes[traits.row], return_index=True)
        names = provider_traits(chunk.data, traits.start[first], traits.size[first]).name.to_pylist()
        for code, name in zip(seen.tolist(), names, strict=True):
            self.names.setdefault(guids[code], name or "")

    def _add_routines(
        self, chunk: Chunk, schemas: Items, codes: NDArray[np.int32], guids: list[bytes]
    ) -> None:
        """Count the canonical provider's events by name, and read what they say of their coverage."""
        if PROVIDER.bytes_le not in guids:
            return
        mine = np.flatnonzero(codes == guids.index(PROVIDER.bytes_le))
        row, start, size = schemas.row[mine], schemas.start[mine], schemas.size[mine]
        # The schema alone has the name: payloads of no size are not decoded.
        for group in decode(chunk.data, start, size, start, np.zeros_like(size)):
            name = group.schema.name if group.schema else "(schema can't be read)"
            self.routines[name] += len(group.rows)
            if name == _CAPTURE_START:
                self._add_coverage(chunk, row[group.rows], start[group.rows], size[group.rows])

    def _add_coverage(
        self, chunk: Chunk, rows: NDArray[np.int64], start: NDArray[np.int64], size: NDArray[np.int64]
    ) -> None:
        payload, length = (chunk.column(name)[rows] for name in ("payload", "payload_size"))
        for said in decode(chunk.data, start, size, payload, length):
            has_text = "Coverage" in said.table.schema.names
            texts = said.table.column("Coverage").to_pylist() if has_text else [None]
            self.coverage += [_ALL if text is None else str(text) for text in texts]

    def result(self) -> dict[str, object]:
        """Give the counts as the fields of a survey."""
        return {
            "events": int(self.kinds.sum()),
            "first": self.first,
            "last": self.last,
            "records": {
                KIND_NAMES[Kind(kind)]: int(self.kinds[kind]) for kind in np.flatnonzero(self.kinds).tolist()
            },
            "kernel": {
                kernel_event(key >> 8, key & 0xFF): int(self.kernel[key])
                for key in np.flatnonzero(self.kernel).tolist()
            },
            "providers": _by_guid(self.providers),
            "provider_names": {_guid(key): name for key, name in self.names.items() if name},
            "wpp_messages": {
                f"{_guid(key)}#{number}": total for (key, number), total in self.messages.items()
            },
            "tracelogging": _by_guid(self.described),
            "routines": dict(self.routines),
            "coverage": list(dict.fromkeys(self.coverage)),
            "extended_items": {
                EXTENDED_ITEMS.get(Ext(key), str(key)) if key in set(Ext) else f"Type{key}": int(
                    self.items[key]
                )
                for key in np.flatnonzero(self.items).tolist()
            },
        }


def _add(counter: Counter[bytes], codes: NDArray[np.int32], guids: list[bytes]) -> None:
    totals = np.bincount(codes, minlength=len(guids))
    for code in np.flatnonzero(totals).tolist():
        counter[guids[code]] += int(totals[code])


def _by_guid(counter: Counter[bytes]) -> dict[str, int]:
    return {_guid(key): total for key, total in counter.items()}


def _guid(raw: bytes) -> str:
    return str(UUID(bytes_le=raw))
