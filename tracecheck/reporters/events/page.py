"""The records that are shown, as columns: what their headers say and what their payloads hold."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import UUID

import numpy as np
import pyarrow as pa

from tracecheck.etl.columns import NO_ID
from tracecheck.etl.layout import KIND_NAMES, Kind
from tracecheck.reporters.events.guids import provider_codes
from tracecheck.reporters.names import kernel_event

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tracecheck.etl import Chunk
    from tracecheck.reporters.events.group import Group

#: The kinds of record that are known by group and opcode.
KERNEL = (
    Kind.SYSTEM32,
    Kind.SYSTEM64,
    Kind.COMPACT32,
    Kind.COMPACT64,
    Kind.PERFINFO32,
    Kind.PERFINFO64,
)
_CLASSIC = (Kind.FULL32, Kind.FULL64, Kind.INSTANCE32, Kind.INSTANCE64)
#: How many bytes of a payload a line of text shows.
SHOWN_BYTES = 48


class Page:
    """The shown records of a chunk.

    Args:
        chunk: These records, in the order in which they are shown.
        groups: Their payloads, as far as they are decoded.
        provider_names: What providers call themselves, by their GUIDs in the order of the file.
        processes: The image name of each record's process; None where the capture does not tell of any.
        stacks: The stack of each record, a place a call; None where stacks are not wanted.
    """

    def __init__(
        self,
        chunk: Chunk,
        groups: Sequence[Group],
        provider_names: dict[bytes, str],
        processes: list[str | None] | None = None,
        stacks: list[list[str]] | None = None,
    ) -> None:
        self.chunk = chunk
        self.groups = groups
        self.processes = processes
        self.stacks = stacks
        self._named = provider_names
        self._size = len(chunk.records)

    def __len__(self) -> int:
        return self._size

    def numbers(self, name: str) -> list[int]:
        """Give a column of the headers."""
        values: list[int] = self.chunk.column(name).tolist()
        return values

    def ids(self, name: str) -> list[int | None]:
        """Give ``pid`` or ``tid``; None where a record has none."""
        return [None if each == NO_ID else each for each in self.numbers(name)]

    @cached_property
    def kinds(self) -> list[int]:
        """The kind of each record."""
        return self.numbers("kind")

    @cached_property
    def kind_names(self) -> list[str]:
        """The name of each record's kind."""
        names = {int(kind): name or "" for kind, name in KIND_NAMES.items()}
        return [names[kind] for kind in self.kinds]

    @cached_property
    def times(self) -> list[str]:
        """ISO 8601, UTC, nine digits, without ``Z``."""
        texts: list[str] = np.datetime_as_string(self.chunk.column("time").view("M8[ns]")).tolist()
        return texts

    @cached_property
    def providers(self) -> list[str | None]:
        """The provider's GUID; None for kernel records and messages without one."""
        return self._by_guid(lambda raw: str(UUID(bytes_le=raw)) if any(raw) else None)

    @cached_property
    def provider_names(self) -> list[str | None]:
        """What the provider is called; None where nothing says it."""
        names = self._by_guid(self._named.get)
        return self._scattered(lambda group: group.provider_name, names)

    @cached_property
    def names(self) -> list[str | None]:
        """What the event is called; None where nothing says it. A WPP message is called by its number."""
        names: list[str | None] = [None] * self._size
        kind = self.chunk.column("kind")
        group, opcode = self.chunk.column("group"), self.chunk.column("opcode")
        rows = np.flatnonzero(np.isin(kind, KERNEL))
        keys = (group[rows].astype(np.int64) << 8 | opcode[rows]).tolist()
        told = {key: kernel_event(key >> 8, key & 0xFF) for key in set(keys)}
        for row, key in zip(rows.tolist(), keys, strict=True):
            names[row] = told[key]
        return self._scattered(lambda each: each.name, names)

    @cached_property
    def sources(self) -> list[str | None]:
        """The source file and line of each message, as its definition has them."""
        return self._scattered(lambda group: group.source, [None] * self._size)

    @cached_property
    def levels(self) -> list[int]:
        """The level of each record, of WPP messages that of the definition."""
        levels: list[Any] = self.numbers("level")
        return self._scattered(lambda group: group.level, levels)

    @cached_property
    def fields(self) -> list[str | None]:
        """The decoded fields as JSON; None where nothing says what the payload holds."""
        out: list[str | None] = [None] * self._size
        for group in self.groups:
            if group.fields is not None:
                _put(out, group, group.fields.json())
        return out

    @cached_property
    def texts(self) -> list[str]:
        """The message, or the fields as text; empty where the payload is not decoded."""
        out = [""] * self._size
        for group in self.groups:
            if group.fields is not None:
                _put(out, group, group.fields.text() if group.texts is None else group.texts())
        return out

    @cached_property
    def problems(self) -> list[str | None]:
        """Why a payload was not decoded whole."""
        out: list[str | None] = [None] * self._size
        for group in self.groups:
            if group.problems is not None:
                _put(out, group, group.problems.to_pylist())
        return out

    @cached_property
    def payloads(self) -> list[bytes | None]:
        """The bytes of payloads that are not decoded, or not whole."""
        whole = self.known.copy()
        for group in self.groups:
            if group.problems is not None:
                whole[group.rows] &= group.problems.is_null().cast(pa.uint8()).to_numpy().astype(np.bool_)
        out: list[bytes | None] = [None] * self._size
        rows = np.flatnonzero(~whole)
        start = self.chunk.column("payload")[rows].astype(np.int64)
        ends = (start + self.chunk.column("payload_size")[rows]).tolist()
        for row, first, end in zip(rows.tolist(), start.tolist(), ends, strict=True):
            out[row] = self.chunk.data[first:end].tobytes()
        return out

    @cached_property
    def known(self) -> NDArray[np.bool_]:
        """Whether each payload is decoded at all."""
        known = np.zeros(self._size, np.bool_)
        for group in self.groups:
            known[group.rows] = group.fields is not None
        return known

    @cached_property
    def bodies(self) -> list[str]:
        """What a line of text says of each record behind its prefix; not yet cleaned."""
        out = list(self.texts)
        for group in self.groups:
            if group.fields is not None and not group.is_message:
                label = self._label(int(group.rows[0]))
                for row in group.rows.tolist():
                    out[row] = f"{label} {out[row]}" if out[row] else label
        payloads = self.payloads
        for row in np.flatnonzero(~self.known).tolist():
            shown = _hex(payloads[row] or b"")
            out[row] = f"{self._label(row)} {shown}" if shown else self._label(row)
        for row, problem in enumerate(self.problems):
            if problem is not None:
                out[row] = f"{out[row]} ({problem})"
        return out

    def _label(self, row: int) -> str:
        """Name a record by its name, or by the number that stands for it."""
        name, kind = self.names[row], self.kinds[row]
        if kind == Kind.WPP_MESSAGE:
            return f"#{self._ids[row]}"
        if name is not None:
            return name
        if kind in _CLASSIC:
            return f"opcode{self._opcodes[row]}"
        return str(self._ids[row]) if kind in (Kind.EVENT32, Kind.EVENT64) else self.kind_names[row] or "-"

    @cached_property
    def _ids(self) -> list[int]:
        return self.numbers("id")

    @cached_property
    def _opcodes(self) -> list[int]:
        return self.numbers("opcode")

    def _by_guid(self, tell: Callable[[bytes], str | None]) -> list[str | None]:
        codes, guids = self._guids
        told = [tell(raw) for raw in guids]
        return [told[code] for code in codes]

    @cached_property
    def _guids(self) -> tuple[list[int], list[bytes]]:
        codes, guids = provider_codes(self.chunk)
        return codes.tolist(), guids

    def _scattered(self, tell: Callable[[Group], Any], out: list[Any]) -> list[Any]:
        """Put what groups say into a column; what they do not say stays."""
        for group in self.groups:
            told = tell(group)
            if told is not None:
                for row in group.rows.tolist():
                    out[row] = told
        return out


def _put(out: list[Any], group: Group, values: list[Any]) -> None:
    for row, value in zip(group.rows.tolist(), values, strict=True):
        out[row] = value


def _hex(payload: bytes) -> str:
    if len(payload) <= SHOWN_BYTES:
        return payload.hex()
    return f"{payload[:SHOWN_BYTES].hex()}... ({len(payload)} bytes)"
