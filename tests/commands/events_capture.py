"""A capture with events of every family, and the definitions that explain them."""

import json
import struct
import uuid

from tracecheck.cli import main
from tracecheck.etl.writer import LogWriter
from tracecheck.simulate import tracelogging

MESSAGES = uuid.UUID("aaaaaaaa-0001-0002-0003-000000000001")
UNDEFINED = uuid.UUID("aaaaaaaa-0001-0002-0003-00000000ffff")
MANIFEST = uuid.UUID("bbbbbbbb-0001-0002-0003-000000000001")
UNKNOWN = uuid.UUID("bbbbbbbb-0001-0002-0003-00000000ffff")
POINTER = 0xFFFFA81800091200
#: SEQUENCE, GUID, TIMESTAMP, SYSTEMINFO, POINTER64.
OPTIONS = 0x01 | 0x02 | 0x08 | 0x20 | 0x80

TMF = f"""// PDB: driver.pdb
{MESSAGES} driver // SRC=create.c MJ= MN=
#typev create_c12 10 "%0Context %10!p! set on %11!S!" // LEVEL=TRACE_LEVEL_INFORMATION FLAGS=CTX FUNC=Set
{{
Context, ItemPtr -- 10
Name, ItemWString -- 11
}}
#typev create_c20 11 "%0failed: %10!s!" // LEVEL=TRACE_LEVEL_ERROR FLAGS=CTX FUNC=Set
{{
Status, ItemNTSTATUS -- 10
}}
"""

XML = f"""<instrumentationManifest xmlns="http://schemas.microsoft.com/win/2004/08/events"><instrumentation>
<events><provider guid="{{{MANIFEST}}}" name="Sim-Driver" symbol="SIM"><events>
<event value="5" symbol="Attached" template="t" message="$(string.m)" level="win:Warning"/>
<event value="6" symbol="Plain" template="t"/>
</events><templates><template tid="t"><data name="Instance" inType="win:Pointer"/>
<data name="Volume" inType="win:UnicodeString"/></template></templates></provider></events></instrumentation>
<localization><resources culture="en-US"><stringTable>
<string id="m" value="Attached %1 to %2"/></stringTable></resources></localization>
</instrumentationManifest>"""


def wide(text):
    """A UTF-16 string and its NUL."""
    return text.encode("utf-16-le", "surrogatepass") + b"\0\0"


def process(pid, name):
    """The payload of a process event, version 4, of a 64-bit kernel."""
    sid = struct.pack("<QQ", 1, 0) + bytes([1, 1, 0, 0, 0, 0, 0, 5]) + struct.pack("<I", 18)
    head = struct.pack("<QIIIiQI", pid, pid, 4, 1, 259, 0x1AD000, 0)
    return head + sid + name.encode() + b"\0" + wide("") * 3


def image(pid, base, size, name):
    """The payload of an image event, version 3."""
    return struct.pack("<QQIIIBBHQ4I", base, size, pid, 7, 8, 12, 2, 0, base, 0, 0, 0, 0) + wide(name)


def described(log, tick, name="FltGetStreamContext", *, text="C:\\file", pointer=POINTER, **place):
    """Write a TraceLogging event."""
    fields = (tracelogging.Field("Context", "hexint64"), tracelogging.Field("File", "string"))
    log.event(
        place.pop("cpu", 0),
        tick,
        provider=tracelogging.PROVIDER,
        items=tracelogging.items(name, fields),
        payload=tracelogging.encode(fields, [pointer, text]),
        **{"pid": 100, "tid": 200, **place},
    )


def message(log, tick, payload, *, guid=MESSAGES, number=10, sequence=0, pid=100, tid=200):
    """Write a WPP message."""
    log.message(
        1,
        tick,
        guid=guid,
        number=number,
        options=OPTIONS,
        sequence=sequence,
        pid=pid,
        tid=tid,
        payload=payload,
    )


def write_all(folder, text="volume \u00e9"):
    """Write a capture with one event of each family, a TMF and a manifest; give the paths."""
    log = LogWriter()
    described(log, 10, text=text)
    message(log, 20, struct.pack("<Q", POINTER) + wide(text), sequence=7)
    message(log, 30, struct.pack("<I", 0xC0000022), number=11)
    message(log, 40, b"\1\2", guid=UNDEFINED, number=3)
    for tick, number, provider in ((50, 5, MANIFEST), (51, 6, MANIFEST), (52, 5, UNKNOWN)):
        payload = struct.pack("<Q", POINTER) + wide(text)
        log.event(0, tick, pid=100, tid=200, provider=provider, id=number, level=3, payload=payload)
    log.system(0, 60, group=0x0A, opcode=0x20, pid=4, tid=8, payload=struct.pack("<II", 1, 2) + b"dbg text\0")
    log.perfinfo(0, 70, group=0x0F, opcode=46, payload=b"\1\2")
    # What a process is called stands at the end of a capture too.
    log.system(0, 90, group=3, opcode=4, pid=4, tid=8, version=4, payload=process(100, "notepad.exe"))
    paths = [folder / "all.etl", folder / "driver.tmf", folder / "sim.man"]
    log.write(paths[0])
    paths[1].write_text(TMF, encoding="utf-8")
    paths[2].write_text(XML, encoding="utf-8")
    return paths


def run(capsys, *arguments):
    """Run `events`; give the lines that it prints, and those of stderr."""
    assert main(["events", *map(str, arguments)]) == 0
    out, err = capsys.readouterr()
    return out.split("\n")[:-1], err.splitlines()


def listed(capsys, *arguments):
    """Run `events --format jsonl`; give the events but that of the log's own header."""
    out, _ = run(capsys, *arguments, "--format", "jsonl")
    return [
        event
        for event in map(json.loads, out)
        if event["name" if "name" in event else "id"] != "EventTrace/Header"
    ]
