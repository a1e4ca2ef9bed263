"""WPP messages to columns, whole process: tracecheck against a loop over records, and dissect.etl's headers.

    python benchmarks/wpp.py [--messages 5000000] [--runs 3]

A trace of six messages as minifilters write them (pointers, statuses, numbers, ANSI strings and counted
UTF-16 strings), its buffers repeated. dissect.etl, which decodes no arguments, reads the headers of a
shorter repetition.
"""

from __future__ import annotations

import argparse
import random
import struct
import sys
import tempfile
from pathlib import Path
from uuid import UUID

from measure import Timed, machine, measure, table

_GUID = UUID("5f0c2a11-7d3e-4f4b-9a57-2b1e8c6d9f00")
_BUFFERS_WRITTEN = 0x48 + 32 + 36
_BUFFER_SIZE = 64 << 10
_OPTIONS = 0xAA  # GUID, time, system information, 64-bit pointers
_DIFFERENT = 40_000
# A chunk's worth, so that the loop keeps no more than tracecheck does.
_KEPT = 200_000
_DISSECTED = 400_000

#: Number, format, and the arguments: expression and item type.
MESSAGES = (
    (10, "%0[%!FUNC!] context %10!p! allocated", (("Context", "ItemPtr"),)),
    (11, "%0get %10!p! of %11!p!: %12!s!", (("Ctx", "ItemPtr"), ("File", "ItemPtr"), ("st", "ItemNTSTATUS"))),
    (12, "%0release %10!p! count=%11!d!", (("Ctx", "ItemPtr"), ("Ctx->Count", "ItemLong"))),
    (13, "%0open %10!s! by %11!s!", (("&Name", "ItemPWString"), ("Image", "ItemString"))),
    (
        14,
        "%0%10!s!: length %11!I64u! at %12!I64u! %13!s!",
        (("Op", "ItemString"), ("n", "ItemULongLong"), ("at", "ItemULongLong"), ("st", "ItemNTSTATUS")),
    ),
    (15, "%0irql=%10!s! cleanup=%11!d!", (("irql", "ItemListByte"), ("Cleanup", "ItemLong"))),
)


def main() -> None:
    """Measure and print Markdown; or, for a process that is measured, decode one trace."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--messages", type=int, default=5_000_000)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--one", nargs=2, metavar=("PROGRAM", "TRACE"), help="run one program")
    given = arguments.parse_args()
    if given.one:
        print(PROGRAMS[given.one[0]](Path(given.one[1])))
        return
    print(f"Measured on {machine()}.\n")
    with tempfile.TemporaryDirectory() as folder:
        large, small = Path(folder) / "large.etl", Path(folder) / "small.etl"
        seed = _seed(Path(folder) / "seed.etl")
        total = _repeat(seed, large, given.messages)
        part = _repeat(seed, small, min(_DISSECTED, given.messages))
        print(_measured(large, small, total, part, given.runs))


def _measured(large: Path, small: Path, total: int, part: int, runs: int) -> str:
    commands = [
        Timed("tracecheck", _command("columns", large), runs),
        Timed("a loop over records", _command("loop", large), 1),
        Timed("dissect.etl, headers only", _command("dissect", small), 1),
    ]
    measure(commands)
    assert {int(each.output) for each in commands[:2]} == {total}
    dissect = commands[2]
    seconds = dissect.seconds
    dissect.wall = [seconds * total / part]
    dissect.name += f" (of {part:,}: {seconds:.1f} s; scaled)"
    return table(f"{total:,} messages in {large.stat().st_size / 1e6:.0f} MB", commands, total, "messages")


def _command(program: str, trace: Path) -> list[str]:
    return [sys.executable, __file__, "--one", program, str(trace)]


def _columns(trace: Path) -> int:
    """Decode to Arrow columns, chunk by chunk."""
    from tracecheck.etl import open_log
    from tracecheck.payload.wpp.decode import decode_messages
    from tracecheck.payload.wpp.definition import Definition, Item

    definitions = []
    for number, text, arguments in MESSAGES:
        items = tuple(
            Item(10 + place, name, kind, ("Low", "APC", "DPC") if kind == "ItemListByte" else ())
            for place, (name, kind) in enumerate(arguments)
        )
        definitions.append(Definition(_GUID, number, "filter", f"a_c{number}", "a.c", number, text, items))
    count = 0
    with open_log(trace) as log:
        for chunk in log.chunks():
            for decoded in decode_messages(chunk, definitions)[0]:
                assert decoded.problems is None
                count += decoded.table.num_rows
    return count


def _loop(trace: Path) -> int:
    """Decode record by record to lists of columns: an unpack for all that is fixed, as one would write it."""
    buffer = struct.Struct("<I44xI")
    header = struct.Struct("<HHHH16sqII")
    system = struct.Struct("<HBBH")
    guid = _GUID.bytes_le
    readers = {number: _reader(arguments) for number, _, arguments in MESSAGES}
    columns: dict[int, list] = {number: [] for number in readers}
    count = 0
    with trace.open("rb") as file:
        while head := file.read(0x48):
            size, used = buffer.unpack_from(head)
            data = head + file.read(size - 0x48)
            at = 0x48
            while at + 8 <= used:
                if data[at + 3] >> 4 != 9:
                    length = system.unpack_from(data, at + 4)[0] if data[at + 3] == 0xC0 else 0
                    if not length:
                        break
                    at += -(-length // 8) * 8
                    continue
                length, _, number, _, provider, tick, tid, pid = header.unpack_from(data, at)
                if provider == guid:
                    values = readers[number](data, at + 40)
                    columns[number].append((tick, tid, pid, *values))
                    count += 1
                at += (length + 7) & ~7
            if count % _KEPT < 1000:
                for rows in columns.values():
                    list(zip(*rows, strict=True))
                    rows.clear()
    return count


def _reader(arguments: tuple[tuple[str, str], ...]):  # noqa: ANN202 - a function of (data, at)
    """Make the function that reads one message: fixed arguments in one unpack, strings where they lie."""
    codes = {"ItemPtr": "Q", "ItemNTSTATUS": "I", "ItemLong": "i", "ItemULongLong": "Q", "ItemListByte": "B"}
    kinds = [kind for _, kind in arguments]
    if all(kind in codes for kind in kinds):
        return struct.Struct("<" + "".join(codes[kind] for kind in kinds)).unpack_from
    if kinds[0] == "ItemString":
        rest = struct.Struct("<" + "".join(codes[kind] for kind in kinds[1:]))

        def read_operation(data: bytes, at: int) -> tuple:
            end = data.index(0, at)
            return data[at:end].decode("ascii"), *rest.unpack_from(data, end + 1)

        return read_operation

    def read_open(data: bytes, at: int) -> tuple:
        size = data[at] | data[at + 1] << 8
        end = at + 2 + size
        return data[at + 2 : end].decode("utf-16-le"), data[end : data.index(0, end)].decode("ascii")

    return read_open


def _dissect(trace: Path) -> int:
    """Read headers as dissect.etl gives them."""
    from dissect.etl import ETL

    columns = {
        name: [] for name in ("time_delta", "provider_id", "process_id", "thread_id", "payload", "marker")
    }
    with trace.open("rb") as file:
        for record in ETL(file):
            for name, column in columns.items():
                column.append(getattr(record.header, name, None))
    return len(columns["marker"])


PROGRAMS = {"columns": _columns, "loop": _loop, "dissect": _dissect}


def _seed(path: Path) -> Path:
    """Write the messages that are repeated."""
    from tracecheck.etl.writer import LogWriter

    random.seed(7)
    log = LogWriter(buffer_size=_BUFFER_SIZE, processors=1)
    names = [_name() for _ in range(400)]
    for place in range(_DIFFERENT):
        number, _, arguments = random.choice(MESSAGES)
        payload = b"".join(_argument(kind, names) for _, kind in arguments)
        log.message(
            0,
            place * 10,
            guid=_GUID,
            number=number,
            options=_OPTIONS,
            pid=4,
            tid=4 * (place % 99),
            payload=payload,
        )
    log.write(path)
    return path


def _name() -> str:
    folders = ["\\Device\\HarddiskVolume3", *random.choices(["Users", "Windows", "System32"], k=3)]
    return "\\".join([*folders, f"{random.getrandbits(40):x}.tmp"])


def _argument(kind: str, names: list[str]) -> bytes:
    match kind:
        case "ItemPtr":
            return struct.pack("<Q", 0xFFFF_A000_0000_0000 | random.getrandbits(36) & ~0xF)
        case "ItemNTSTATUS":
            return struct.pack("<I", random.choice((0, 0, 0, 0xC0000034, 0xC0000225)))
        case "ItemLong":
            return struct.pack("<i", random.randrange(-3, 90))
        case "ItemULongLong":
            return struct.pack("<Q", random.getrandbits(22))
        case "ItemListByte":
            return bytes([random.randrange(3)])
        case "ItemPWString":
            raw = random.choice(names).encode("utf-16-le")
            return struct.pack("<H", len(raw)) + raw
    return random.choice((b"explorer.exe\0", b"svchost.exe\0", b"IRP_MJ_CREATE\0", b"IRP_MJ_CLEANUP\0"))


def _repeat(trace: Path, to: Path, messages: int) -> int:
    """Repeat a trace's buffers behind its first one; return how many messages that gives."""
    data = bytearray(trace.read_bytes())
    times = -(-messages // _DIFFERENT)
    # dissect.etl reads as many buffers as the header says were written (BuffersWritten).
    struct.pack_into("<I", data, _BUFFERS_WRITTEN, 1 + times * (len(data) // _BUFFER_SIZE - 1))
    first = 0
    with to.open("wb") as file:
        file.write(data[:_BUFFER_SIZE])
        # The first buffer has the log's header and messages of its own.
        first = _count(data[:_BUFFER_SIZE])
        for _ in range(times):
            file.write(data[_BUFFER_SIZE:])
    return first + times * (_DIFFERENT - first)


def _count(buffer: bytes) -> int:
    """Count the messages of a buffer."""
    (used,) = struct.unpack_from("<I", buffer, 0x30)
    at, count = 0x48, 0
    while at + 8 <= used and buffer[at : at + 4] != b"\xff" * 4:
        message = buffer[at + 3] >> 4 == 9
        (length,) = struct.unpack_from("<H", buffer, at if message else at + 4)
        count += message
        at += (length + 7) & ~7
    return count


if __name__ == "__main__":
    main()
