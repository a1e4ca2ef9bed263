"""Reads the blocks of an HTML page back: the same format as the page's program reads, in Python."""

import base64
import json
import re
import struct
import zlib

_BLOCK = re.compile(r'<script type="application/octet-stream;base64" id="data-([a-z0-9-]+)">([^<]*)</script>')


def blocks(page):
    """Give the unpacked bytes of each block by name."""
    return {name: zlib.decompress(base64.b64decode(data)) for name, data in _BLOCK.findall(page)}


def table(raw):
    """Read a table: lists of Python integers by name."""
    (length,) = struct.unpack_from("<I", raw)
    head = json.loads(raw[4 : 4 + length])
    at, rows = 4 + length, head["rows"]
    found = {}
    for name, width, zigzag, differences in head["columns"]:
        planes = [raw[at + k * rows : at + (k + 1) * rows] for k in range(width)]
        at += width * rows
        values = [int.from_bytes(bytes(cell), "little") for cell in zip(*planes, strict=True)]
        if zigzag:
            values = [(value >> 1) ^ -(value & 1) for value in values]
        if differences:
            total = 0
            values = [total := (total + value) % 2**64 for value in values]
        found[name] = values
    assert at == len(raw)
    return found


class Page:
    """What a page holds, by the tables that it was made of."""

    def __init__(self, text):
        self.text = text
        self.raw = blocks(text)
        self.meta = json.loads(self.raw["meta"])
        self.findings = json.loads(self.raw["findings"])
        for name in ("contexts", "effects", "calls", "threads", "loose"):
            setattr(self, name, table(self.raw[name]))

    def word(self, number):
        """Give a text by its number."""
        return self.meta["words"][number - 1] if number else None

    def time(self, units):
        """Give a time in nanoseconds since 1970."""
        return int(self.meta["base"]) + units * self.meta["unit"]

    def when(self, column, life):
        """Give a time of a context that may not be known."""
        at = self.contexts[column][life]
        return None if at == -1 else self.time(self.contexts["first"][life] + at + (at < -1))

    def call(self, row, thread, cpu, time):
        """Give an operation as the operations table has it."""
        names = {name: self.word(self.calls[name][row]) for name in ("routine", "site", "function")}
        missing = {"status": -1, "irql": 255, "major": 255, "phase": 255}
        numbers = {
            name: None if self.calls[name][row] == none else self.calls[name][row]
            for name, none in missing.items()
        }
        who = {name: self.threads[name][thread] for name in ("pid", "tid")}
        return {**names, **numbers, **who, "cpu": cpu, "time": self.time(time)}

    def steps(self):
        """Give all steps, by the context that they are of."""
        found = {}
        lives = [life for life, number in enumerate(self.contexts["steps"]) for _ in range(number)]
        place = 0
        for number, (start, end) in enumerate(self.meta["blocks"]):
            part = table(self.raw[f"steps-{number}"])
            assert end - start == len(part["wait"])
            for wait, cpu, thread, call, effect in zip(*part.values(), strict=True):
                life = lives[place]
                place += 1
                before = found.setdefault(life, [])
                last = before[-1] if before else {"at": self.contexts["first"][life], "owned": 0, "link": 0}
                at = last["at"] + wait
                counts = {name: last[name] + self.effects[name][effect] for name in ("owned", "link")}
                deltas = {name: self.effects[name][effect] for name in ("delta_owned", "delta_link")}
                fault = self.word(self.effects["fault"][effect])
                before.append(
                    {**self.call(call, thread, cpu, at), "at": at, **counts, **deltas, "fault": fault}
                )
        assert place == len(lives)
        return found
