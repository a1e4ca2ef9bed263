"""Small readers of the forms, one record or line at a time: each gives back canonical events.

They share nothing with the writer: a WPP payload is read by the items of the TMF file, a manifest event by
its template, a text by its words.
"""

import csv
import io
import re
import struct
import xml.etree.ElementTree as ElementTree
from typing import NamedTuple

from written import events, records

FLT_TYPES = ("VOLUME", "INSTANCE", "FILE", "STREAM", "STREAMHANDLE", "TRANSACTION", "SECTION")
BITS = {f"FLT_{name}_CONTEXT": 1 << bit for bit, name in enumerate(FLT_TYPES)}
CODES = {"ItemLong": "I", "ItemLongLong": "q", "ItemNTSTATUS": "I", "ItemSetLong": "I", "ItemListLong": "I"}
CODES |= {"ItemListByte": "B"}
IN_TYPES = {"UInt8": "B", "UInt16": "H", "UInt32": "I", "Int32": "i", "Int64": "q", "UInt64": "Q"}
IN_TYPES |= {"Boolean": "I"}
NS = {"e": "http://schemas.microsoft.com/win/2004/08/events"}
#: What tells nothing of the run: the driver's name in another dress, and how the writer wrote.
EXTRA = {"RegistryPath"}

LINE = re.compile(r"\[(\d+)\]([0-9A-F]{4,})\.([0-9A-F]{4,})::(\S+) \[(\w+)\](.*)")
TEXT = re.compile(r"(?:(\w+): )?(\w+)\((.*?)\)(?: ->( 0x\w+\(\w+\))?)?((?: \w+=\S*)*)$")
PAIR = re.compile(r"(\w+)=(\[[^\]]*\]|\S*?\([^)]*\)|[^ )]*)")


class Told(NamedTuple):
    """An event as a form tells it: None where the form does not know."""

    routine: str
    fields: dict
    tick: int | None = None
    cpu: int | None = None
    pid: int | None = None
    tid: int | None = None
    text: str = ""


class Message(NamedTuple):
    """A message definition."""

    file: str
    symbol: str
    format: str
    items: list
    function: str


def canonical(made, *, without=()):
    """Give the events of a TraceLogging capture without some fields; PagingFile 0 says nothing."""
    found = []
    for event in events(made.data):
        fields = {name: value for name, value in event.fields.items() if name not in without}
        found.append(Told(event.name, fields, event.tick, event.cpu, event.pid, event.tid))
    return found


def definitions(tmf):
    """Read a TMF file: (GUID bytes, number) -> message."""
    import uuid

    found, guid, file, items = {}, None, "", None
    for line in tmf.splitlines():
        if line.startswith("//"):
            continue
        if line.startswith("#typev"):
            head = re.fullmatch(r'#typev (\w+) (\d+) "(.*)" //   LEVEL=\w+ FLAGS=\w+(?: FUNC=(\w+))?', line)
            items = []
            key = (guid, int(head[2]))
            assert key not in found
            found[key] = Message(file, head[1], head[3], items, head[4] or "")
        elif re.match(r"[0-9a-f]{8}-", line):
            guid = uuid.UUID(line.split()[0]).bytes_le
            file = re.search(r"SRC=(\S+)", line)[1]
        elif line not in "{}":
            item = re.fullmatch(r"(\w+), (\w+)(?:\(([^)]*)\))? -- (\d+)", line)
            assert int(item[4]) == len(items) + 10
            items.append((item[1], item[2], item[3].split(",") if item[3] else []))
    return found


def wpp(made, pointer_size=8):
    """Read the WPP messages that the TMF file knows, in the order of their ticks."""
    known, found = definitions(made.beside), []
    for cpu, record in records(made.data):
        if record[3] == 0x90:
            _, number, options = struct.unpack_from("<I2H", record)
            at = 8
            fields = {}
            if options & 1:
                fields["Sequence"] = struct.unpack_from("<I", record, at)[0]
                at += 4
            assert options & ~1 == (0xAA if pointer_size == 8 else 0x6A)
            guid, tick, tid, pid = struct.unpack_from("<16sqII", record, at)
            if (guid, number) in known:
                message = known[guid, number]
                values = arguments(message, record[at + 32 :], pointer_size)
                found.append(_of_wpp(message, values, fields, tick, cpu, pid, tid))
    return sorted(found, key=lambda each: each.tick)


def arguments(message, payload, pointer_size):
    """Read a payload by the items; every byte belongs to one of them."""
    at, values = 0, []
    for _, kind, _ in message.items:
        if kind == "ItemString":
            end = payload.index(b"\0", at)
            values.append(payload[at:end].decode())
            at = end + 1
        elif kind == "ItemPWString":
            (size,) = struct.unpack_from("<H", payload, at)
            values.append(payload[at + 2 : at + 2 + size].decode("utf-16-le"))
            at += 2 + size
        else:
            code = CODES.get(kind) or ("Q" if pointer_size == 8 else "I")
            values.append(struct.unpack_from("<" + code, payload, at)[0])
            at += struct.calcsize(code)
    assert at == len(payload)
    return values


def _of_wpp(message, values, fields, tick, cpu, pid, tid):
    for (name, _, _), value in zip(message.items, values, strict=True):
        if name not in EXTRA:
            fields[name] = value
    if message.function:
        fields["Function"] = message.function
        fields["File"] = message.file
        fields["Line"] = int(re.fullmatch(message.file.replace(".", "_") + r"(\d+)", message.symbol)[1])
    text = render(message, values)
    return Told(re.search(r"(\w+)\(", text)[1], fields, tick, cpu, pid, tid, text)


def render(message, values):
    """Print a message as tracefmt would; statuses without their names."""

    def argument(found):
        (_, kind, names), value = message.items[int(found[1]) - 10], values[int(found[1]) - 10]
        if kind == "ItemPtr":
            return f"{value:016X}"
        if kind.startswith("ItemList"):
            return f"0x{value:08x}({names[value]})"
        if kind == "ItemSetLong":
            return f"[{','.join(name for bit, name in enumerate(names) if value >> bit & 1)}]"
        if kind == "ItemNTSTATUS":
            return f"0x{value:08x}"
        return {"u": "%d", "x": "%x", "08x": "%08x", "I64d": "%d", "I64u": "%d", "s": "%s"}[found[2]] % value

    assert message.format.startswith("%0")
    text = message.format[2:].replace("%!FUNC!", message.function)
    return re.sub(r"%(\d+)!(\w+)!", argument, text)


def manifest(made, pointer_size=8):
    """Read the events that the manifest describes, in the order of their ticks."""
    import uuid

    known, found = {}, []
    for provider in ElementTree.fromstring(made.beside.encode()).iter(f"{{{NS['e']}}}provider"):
        guid = uuid.UUID(provider.get("guid")).bytes_le
        tasks = {task.get("name"): int(task.get("value")) for task in provider.find("e:tasks", NS)}
        templates = {each.get("tid"): list(each) for each in provider.find("e:templates", NS)}
        for event in provider.find("e:events", NS):
            key = (guid, int(event.get("value")))
            known[key] = (event.get("task"), tasks[event.get("task")], templates[event.get("template")])
    for cpu, record in records(made.data):
        if record[2] in (0x12, 0x13) and record[3] == 0xC0:
            tid, pid, tick, guid, number = struct.unpack_from("<IIq16sH", record, 8)
            if (guid, number) in known:
                routine, task, template = known[guid, number]
                assert struct.unpack_from("<H", record, 46)[0] == task
                fields = _of_template(template, record[80:], pointer_size)
                found.append(Told(routine, fields, tick, cpu, pid, tid))
    return sorted(found, key=lambda each: each.tick)


def _of_template(template, payload, pointer_size):
    at, fields = 0, {}
    for data in template:
        kind = data.get("inType").removeprefix("win:")
        if kind == "AnsiString":
            end = payload.index(b"\0", at)
            value, at = payload[at:end].decode(), end + 1
        elif kind == "UnicodeString":
            end = next(i for i in range(at, len(payload), 2) if payload[i : i + 2] == b"\0\0")
            value, at = payload[at:end].decode("utf-16-le"), end + 2
        else:
            code = IN_TYPES.get(kind) or {8: "Q", 4: "I"}[pointer_size]
            (value,) = struct.unpack_from("<" + code, payload, at)
            at += struct.calcsize(code)
        fields[data.get("name")] = value
    assert at == len(payload)
    return fields


def dbgprint(made):
    """Read the DbgPrint records, in the order of their ticks."""
    found = []
    for cpu, record in records(made.data):
        if record[2] in (1, 2) and record[6:8] == b"\x20\x0a":
            tid, pid, tick = struct.unpack_from("<IIq", record, 8)
            assert record[32:40] == struct.pack("<II", 77, 3)
            assert record.endswith(b"\n\0")
            found.append(of_text(record[40:-2].decode())._replace(cpu=cpu, pid=pid, tid=tid, tick=tick))
    return sorted(found, key=lambda each: each.tick)


def of_text(text):
    """Read a message's words."""
    found = TEXT.fullmatch(text)
    assert found, text
    function, routine, inside, status, outside = found.groups()
    fields = {"Function": function} if function else {}
    pairs = dict(_coverage(inside) or PAIR.findall(inside)) | dict(PAIR.findall(outside))
    for name, value in pairs.items():
        name = "Context" if name == "NewContext" else name
        if name not in EXTRA:
            fields[name] = _value(name, value)
    if status:
        fields["Status"] = int(status.partition("(")[0], 16)
    return Told(routine, fields, text=text)


def _coverage(inside):
    """Coverage is all that follows: routine names with blanks between."""
    head, found, tail = inside.partition(" Coverage=")
    return [*PAIR.findall(head), ("Coverage", tail)] if found else []


def _value(name, value):
    if name == "Coverage":
        return value
    if value.startswith("["):
        return sum(BITS[each] for each in value[1:-1].split(",") if each)
    if value.startswith("0x"):
        return int(value.partition("(")[0], 16)
    number = name in {"Size", "Phase", "Version", "Begin", "Time", "ProcessId", "ThreadId", "Processor"}
    return int(value, 10 if number else 16)


def tracefmt(made):
    """Read tracefmt's lines; ``tick`` is their time as text."""
    found = []
    for line in made.data.decode().split("\r\n")[:-1]:
        cpu, pid, tid, when, _, text = LINE.fullmatch(line).groups()
        found.append(of_text(text)._replace(tick=when, cpu=int(cpu), pid=int(pid, 16), tid=int(tid, 16)))
    return found


def tracefmt_csv(made):
    """Read tracefmt's rows; ``tick`` is their time as text."""
    found = []
    for row in csv.DictReader(io.StringIO(made.data.decode(), newline="")):
        told = of_text(row["FormattedString"])
        place = {"Sequence": int(row["SequenceNum"])} if row["SequenceNum"] != "0" else {}
        if told.fields.get("Function"):
            assert row["FunctionName"] == told.fields["Function"]
            file, line = re.fullmatch(r"(\w+_c)(\d+)", row["GuidTypeName"]).groups()
            place |= {"File": file.replace("_c", ".c"), "Line": int(line)}
        ids = {"cpu": int(row["CpuNumber"])}
        ids |= {"pid": int(row["ProcessId"], 16), "tid": int(row["ThreadId"], 16)}
        found.append(told._replace(fields=told.fields | place, tick=row["SystemTime"], **ids))
    return found


def debugview(made):
    """Read DebugView's lines; ``tick`` is the seconds since the first one."""
    found = []
    for number, line in enumerate(made.data.decode().split("\r\n")[:-1], 1):
        count, seconds, text = line.split("\t")
        assert int(count) == number
        found.append(of_text(text)._replace(tick=float(seconds)))
    return found


def kd(made):
    """Read a debugger's lines."""
    return [of_text(line) for line in made.data.decode().splitlines()]


#: Form -> its reader.
READERS = {"wpp": wpp, "manifest": manifest, "dbgprint": dbgprint, "tracefmt": tracefmt}
READERS |= {"tracefmt-csv": tracefmt_csv, "debugview": debugview, "kd": kd}
