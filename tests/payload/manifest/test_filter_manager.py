"""Microsoft-Windows-FilterManager: what its events hold and what they say of filters."""

import struct

import numpy as np
import pytest

from tracecheck.payload.manifest import filter_manager
from tracecheck.payload.manifest.decode import decode
from tracecheck.payload.manifest.layouts import Layouts
from tracecheck.payload.manifest.message import message_text

# 2024-01-01 as a FILETIME.
TIME = 133485408000000000
FILTER_ID = bytes(range(16))


def filter_payload(name, status=0, version=0, extra=""):
    """Write the payload of an event about a filter: the lengths count characters."""
    raw = struct.pack("<IIIH", status, 10, 0, len(name)) + name.encode("utf-16-le") + struct.pack("<Q", TIME)
    if version:
        raw += struct.pack("<H", len(extra)) + extra.encode("utf-16-le") + FILTER_ID
    return raw


def volume_payload(name, status):
    """Write the payload of an event about a volume."""
    return struct.pack("<IH", status, len(name)) + name.encode("utf-16-le")


def decoded(events):
    """Decode (id, version, payload) triples."""
    data = b"".join(payload for _, _, payload in events)
    sizes = [len(payload) for _, _, payload in events]
    starts = np.cumsum([0, *sizes[:-1]])
    ids, versions = [each[0] for each in events], [each[1] for each in events]
    providers = [Layouts(catalogue=False).find(filter_manager.GUID)]
    zero = np.zeros(len(events), int)
    return decode(np.frombuffer(data, np.uint8), providers, zero, ids, versions, starts, sizes)


EVENTS = [
    (6, 1, filter_payload("FileInfo", version=1, extra="x")),
    (6, 0, filter_payload("CldFlt")),
    (3, 0, volume_payload("\\Device\\HarddiskVolume3", 0xC03A001C)),
    (9, 0, volume_payload("other", 1)),
    (1, 0, filter_payload("CldFlt")),
    (1, 1, filter_payload("FileInfo", version=1)),
]


class TestEvents:
    """Payloads as Windows writes them."""

    def test_lengths_count_characters(self):
        """Every byte of every event is used, names are whole."""
        found = decoded(EVENTS)
        assert all(each.problems is None for each in found)
        assert sum(len(each.rows) for each in found) == len(EVENTS)
        assert found[0].table.column("DeviceName").to_pylist() == ["FileInfo"]
        assert found[0].table.column("FilterID").to_pylist() == ["03020100-0504-0706-0809-0a0b0c0d0e0f"]

    def test_messages(self):
        """The unload event says what the event log says."""
        unload = next(each for each in decoded(EVENTS) if (each.event.id, each.event.version) == (1, 0))
        values = [*(column[0].as_py() for column in unload.table.columns[:5]), "2024-01-01"]
        said = message_text(unload.event, values)
        assert said == "File System Filter 'CldFlt' (Version 10.0, 2024-01-01) unloaded successfully."

    @pytest.mark.parametrize("id_", range(1, 11))
    def test_every_event_has_a_name_and_a_level(self, id_):
        """Ten events, of version 0 at least."""
        event = filter_manager.provider().events[id_, 0]
        assert event.name
        assert event.level in (2, 3, 4)


class TestLifecycle:
    """Loads, unloads and failures to attach."""

    def test_the_life_of_filters_in_the_order_of_events(self):
        """Each mark has its time, what happened, to which filter or volume, and the status."""
        time = np.arange(len(EVENTS), dtype=np.int64) * 1000
        table = filter_manager.lifecycle(decoded(EVENTS), time)
        assert table.schema.equals(filter_manager.LIFECYCLE)
        assert [column.to_pylist() for column in table.select(["row", "what", "name", "status"]).columns] == [
            [0, 1, 2, 4, 5],
            ["load", "load", "attach failed", "unload", "unload"],
            ["FileInfo", "CldFlt", "\\Device\\HarddiskVolume3", "CldFlt", "FileInfo"],
            [0, 0, 0xC03A001C, 0, 0],
        ]
        assert table.column("time").cast("int64").to_pylist() == [0, 1000, 2000, 4000, 5000]

    def test_a_cut_payload_is_a_mark_without_a_name(self):
        """What is lost is null; the mark stays."""
        table = filter_manager.lifecycle(
            decoded([(6, 0, filter_payload("CldFlt")[:9])]), np.zeros(1, np.int64)
        )
        assert table.select(["what", "name", "status"]).to_pylist() == [
            {"what": "load", "name": None, "status": 0}
        ]

    def test_no_events_make_no_marks(self):
        """Nothing gives an empty table of the same form."""
        assert filter_manager.lifecycle([], np.zeros(0, np.int64)).schema.equals(filter_manager.LIFECYCLE)
