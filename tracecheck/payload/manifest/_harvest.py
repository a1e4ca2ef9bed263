"""Reads etl-parser's catalogue, in a process of its own (``python -m ..._harvest FILE``).

The import of the catalogue costs seconds and over 150 MB, which the process that needs the layouts should
not keep. The catalogue is code: a class for each event, whose pattern is a construct ``Struct``. What is
written is an Arrow file; see :mod:`tracecheck.payload.manifest.catalogue`.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tracecheck.payload._schema import In
from tracecheck.payload.arrow import from_numpy, strings
from tracecheck.payload.manifest._templates import UNKNOWN
from tracecheck.payload.manifest.catalogue import FORMAT, PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterator

_NUMBERS = {
    "b": In.INT8,
    "B": In.UINT8,
    "h": In.INT16,
    "H": In.UINT16,
    "l": In.INT32,
    "L": In.UINT32,
    "q": In.INT64,
    "Q": In.UINT64,
    "f": In.FLOAT,
    "d": In.DOUBLE,
}


class _Asked:
    """Stands for a payload in the length functions of the catalogue: says which field they ask for."""

    def __init__(self) -> None:
        self.asked = ""
        self.times = 1

    def __getattr__(self, name: str) -> _Asked:
        self.asked = name
        return self

    def __rmul__(self, factor: int) -> _Asked:
        self.times = factor
        return self


def harvest() -> pa.Table:
    """Read the catalogue.

    Returns:
        A row an event; columns as :mod:`tracecheck.payload.manifest.catalogue` says.
    """
    import_module("etl.parsers.etw")
    factory = import_module("etl.parsers.etw.core").__etw_factory__
    known = _known()
    rows = [
        (_guid(guid), _name(cls), id_, version_, _layout(cls, known))
        for guid, events in factory.items()
        for id_, versions in events.items()
        for version_, cls in versions.items()
    ]
    rows.sort(key=lambda row: (row[0], row[2], row[3]))
    guids, names, ids, versions, layouts = zip(*rows, strict=True)
    raw = np.frombuffer(b"".join(guids), dtype=np.uint8).reshape(-1, 16)
    columns = {
        "guid": from_numpy(raw.view("V16")[:, 0], pa.binary(16)),
        "name": strings(names),
        "id": from_numpy(np.array(ids, dtype=np.uint16), pa.uint16()),
        "version": from_numpy(np.array(versions, dtype=np.uint8), pa.uint8()),
        "layout": strings(layouts),
    }
    table = pa.Table.from_arrays(list(columns.values()), names=list(columns))
    return table.replace_schema_metadata({"format": FORMAT, PACKAGE: version(PACKAGE)})


def _known() -> dict[int, In]:
    """Return the catalogue's own types, by identity."""
    utils, dtyp = import_module("etl.utils"), import_module("etl.dtyp")
    return {
        id(utils.WString): In.UNICODESTRING,
        id(utils.CString): In.ANSISTRING,
        id(utils.SystemTime): In.SYSTEMTIME,
        id(utils.Guid): In.GUID,
        id(dtyp.Sid): In.SID,
    }


def _guid(guid: Any) -> bytes:  # noqa: ANN401 (the catalogue has no types)
    parts = ((guid.data1, 4), (guid.data2, 2), (guid.data3, 2))
    return b"".join(part.to_bytes(size, "little") for part, size in parts) + bytes(guid.data4)


def _name(cls: type) -> str:
    """Name the provider: the first line of its module's documentation."""
    lines = (sys.modules[cls.__module__].__doc__ or "").strip().splitlines()
    return lines[0].strip() if lines else cls.__module__.rpartition(".")[2]


def _layout(cls: Any, known: dict[int, In]) -> str:  # noqa: ANN401
    return "\n".join(_lines(cls, known))


def _lines(cls: Any, known: dict[int, In]) -> Iterator[str]:  # noqa: ANN401
    """Write the fields: in-type, length (- for none) and name, with blanks between."""
    for field in cls.pattern.subcons:
        inner = field.subcon
        in_type: int = known.get(id(inner), UNKNOWN)
        length = "-"
        form = getattr(inner, "fmtstr", "")
        if in_type == UNKNOWN and len(form) == 2:
            # Doubles are big-endian in the catalogue, by mistake: Windows writes none.
            in_type = _NUMBERS.get(form[1], UNKNOWN)
        elif in_type == UNKNOWN and type(inner).__name__ == "Bytes":
            in_type, length = _sized(inner.length)
            # Python itself puts the class's name before a name that begins with two underscores.
            length = length.removeprefix(f"_{cls.__name__.lstrip('_')}")
        yield f"{int(in_type)} {length} {field.name}"


def _sized(length: Any) -> tuple[In, str]:  # noqa: ANN401
    if not callable(length):
        return In.BINARY, str(length)
    asked = _Asked()
    length(asked)
    return In.BINARY if asked.times == 1 else In.UNICODESTRING, asked.asked


def main(path: str) -> None:
    """Write the catalogue's table to a file."""
    table = harvest()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with Path(path).open("wb") as file, pa.ipc.new_file(file, table.schema, options=options) as writer:
        writer.write_table(table)


if __name__ == "__main__":
    main(sys.argv[1])
