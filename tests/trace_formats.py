"""The published rules of the formats that `export` writes, as checks of what a reader of each relies on.

Sources: src/lib/file-format-spec.ts of github.com/jlfwong/speedscope; "Trace Event Format", Google; the
comments at the head of stackcollapse.pl and flamegraph.pl of github.com/brendangregg/FlameGraph.
"""

import json
import re
from collections import defaultdict
from decimal import Decimal

#: What a trace may call its functions to do harm.
HOSTILE = [
    "a;b",
    "a\nb 7",
    "<script>alert(1)</script>",
    "\x1b[31m",
    "=cmd|' /C calc'!A0",
    "\u202egnp",
    "\x00",
    " ",
    "x 12",
    '"}]',
]
UNITS = {"none", "nanoseconds", "microseconds", "milliseconds", "seconds", "bytes"}
FRAME = {"name": str, "file": str, "line": int, "col": int}
#: What each phase needs beside name, ph, pid and tid; metadata has no time.
NEEDS = {
    "X": {"ts", "dur"},
    "i": {"ts"},
    "C": {"ts", "args"},
    "b": {"ts", "id", "cat"},
    "e": {"ts", "id", "cat"},
}
METADATA = {"process_name", "thread_name", "process_labels", "process_sort_index", "thread_sort_index"}


def speedscope(text):
    """Read a speedscope file; fail on what its format does not allow."""
    file = json.loads(text, parse_constant=_no_number)
    assert file["$schema"] == "https://www.speedscope.app/file-format-schema.json"
    assert set(file) <= {"$schema", "shared", "profiles", "name", "activeProfileIndex", "exporter"}
    frames = file["shared"]["frames"]
    for frame in frames:
        assert frame["name"]
        assert all(type(frame[key]) is FRAME[key] for key in frame)
    assert 0 <= file["activeProfileIndex"] < len(file["profiles"])
    for profile in file["profiles"]:
        assert set(profile) == {"type", "name", "unit", "startValue", "endValue", "samples", "weights"}
        assert profile["type"] == "sampled"
        assert profile["unit"] in UNITS
        assert len(profile["samples"]) == len(profile["weights"])
        assert profile["endValue"] - profile["startValue"] == sum(profile["weights"])
        assert all(type(weight) is int and weight > 0 for weight in profile["weights"])
        for stack in profile["samples"]:
            assert stack
            assert all(type(place) is int and 0 <= place < len(frames) for place in stack)
    return file


def stacks(file, place):
    """Give the stacks of a profile by name, with their weights."""
    names = [frame["name"] for frame in file["shared"]["frames"]]
    profile = file["profiles"][place]
    found = defaultdict(int)
    for stack, weight in zip(profile["samples"], profile["weights"], strict=True):
        found[tuple(names[i] for i in stack)] += weight
    return dict(found)


def collapsed(text):
    """Read collapsed stacks as flamegraph.pl does: the last blank parts the stack from its count."""
    found = {}
    for line in text.splitlines():
        match = re.fullmatch(r"(.*)\s+?(\d+)", line)
        assert match, line
        frames = tuple(match[1].split(";"))
        assert all(frames), line
        assert frames not in found
        found[frames] = int(match[2])
    assert text == "" or text.endswith("\n")
    return found


def chrome(text):
    """Read a trace; fail on what its format does not allow. Times are exact decimals."""
    file = json.loads(text, parse_constant=_no_number, parse_float=Decimal)
    assert file["displayTimeUnit"] in ("ms", "ns")
    events = file["traceEvents"]
    for event in events:
        assert type(event["pid"]) is type(event["tid"]) is int
        assert event["name"]
        if event["ph"] == "M":
            assert event["name"] in METADATA
            assert type(event["args"]["name"]) is str
            continue
        assert NEEDS[event["ph"]] <= set(event)
        assert event["ts"] >= 0
        assert event.get("dur", 0) >= 0
        assert event.get("s", "t") in ("g", "p", "t")
        assert isinstance(event.get("args", {}), dict)
        if event["ph"] == "C":
            assert all(type(value) is int and value >= 0 for value in event["args"].values())
    _paired(events)
    _nested(events)
    return file


def _paired(events):
    """Each asynchronous span has one begin and then one end of the same category, id, name and process."""
    open_ = {}
    for event in events:
        if event["ph"] not in "be":
            continue
        key = (event["cat"], event["id"], event["pid"])
        assert type(event["id"]) is str
        if event["ph"] == "b":
            assert key not in open_
            open_[key] = event
        else:
            begin = open_.pop(key)
            assert begin["name"] == event["name"]
            assert begin["ts"] <= event["ts"]
    assert not open_


def _nested(events):
    """Complete events of a thread lie within each other or apart."""
    threads = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            threads[event["pid"], event["tid"]].append((event["ts"], event["ts"] + event["dur"]))
    for spans in threads.values():
        ends = []
        for begin, end in sorted(spans, key=lambda span: (span[0], -span[1])):
            while ends and ends[-1] <= begin:
                ends.pop()
            assert not ends or end <= ends[-1]
            ends.append(end)


def _no_number(name):
    raise AssertionError(f"{name} is not JSON")
