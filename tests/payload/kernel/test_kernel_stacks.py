"""Stacks stand with their events, each different stack once."""

import struct
import uuid
from collections import Counter

import kernel_logs as logs
import numpy as np
import pytest

from tracecheck.etl.reader import open_log
from tracecheck.payload.kernel import Collector, decode

KERNEL = [0xFFFFF80000001000 + 16 * i for i in range(4)]
USER = [0x7FF600001000 + 16 * i for i in range(4)]
PROVIDER = uuid.UUID("00000000-0000-0000-0000-0000000000aa")


def collected(log, tmp_path, tables=("stacks", "fltio"), size=1 << 24):
    """Collects a log; gives the tables, and the ticks of the records by number."""
    collector = Collector(tables)
    ticks = []
    for chunk in logs.chunks(log, tmp_path, size):
        collector.add(chunk)
        ticks += chunk.column("tick").tolist()
    return collector.finish(), ticks


def by_tick(kernel, ticks):
    """The stack of every record that has one, by the record's tick."""
    lists = kernel.stacks.addresses.to_pylist()
    rows = kernel.stacks.table.to_pylist()
    return {ticks[row["record"]]: lists[row["stack"]] for row in rows}


def walked(log, cpu, tick, *walk):
    """Writes a stack walk."""
    log.perfinfo(cpu, tick, group=logs.STACKWALK, opcode=0x20, payload=logs.walk(*walk))


def keyed(log, cpu, tick, opcode, event_tick, pid, tid, key):
    """Writes a stack walk whose stack is told by a key."""
    log.perfinfo(cpu, tick, group=logs.STACKWALK, opcode=opcode, payload=logs.walk(event_tick, pid, tid, key))


class TestWalks:
    """Stack-walk events."""

    def test_halves_are_put_together(self, tmp_path):
        """The kernel's calls come before the user's, whichever was written first and wherever."""
        log = logs.new_log()
        log.system(0, 100, group=3, opcode=0x60, pid=44, tid=1000)
        walked(log, 1, 500, 100, 44, 1000, *USER)
        walked(log, 0, 101, 100, 44, 1000, *KERNEL)
        kernel, ticks = collected(log, tmp_path)
        assert by_tick(kernel, ticks) == {100: KERNEL + USER}

    def test_records_without_a_thread_are_found_by_processor(self, tmp_path):
        """Of two callbacks at one tick, each gets the stack that its processor walked, and its thread."""
        log = logs.new_log()
        for cpu in (0, 1):
            log.perfinfo(cpu, 100, group=logs.FILE, opcode=0x60, payload=logs.flt(cpu + 1, 2, 0))
            walked(log, cpu, 101, 100, 40 + cpu, 1000 + cpu, *KERNEL[cpu:])
        walked(log, 0, 300, 100, 41, 1001, *USER)
        kernel, _ = collected(log, tmp_path)
        lists = kernel.stacks.addresses.to_pylist()
        rows = {row["record"]: row for row in kernel.stacks.table.to_pylist()}
        found = {
            row["routine"]: (row["pid"], row["tid"], lists[rows[row["record"]]["stack"]])
            for row in kernel.fltio.to_pylist()
        }
        assert found == {1: (40, 1000, KERNEL), 2: (41, 1001, KERNEL[1:] + USER)}

    def test_a_stack_of_no_record_is_counted(self, tmp_path):
        """A stack whose record is not in the trace belongs to nothing."""
        log = logs.new_log()
        walked(log, 0, 101, 77, 44, 1000, *KERNEL)
        kernel, _ = collected(log, tmp_path)
        assert kernel.stacks.table.num_rows == 0
        assert kernel.stacks.unmatched == 1

    def test_equal_stacks_are_kept_once(self, tmp_path):
        """A thousand records from two places have two stacks; chunks make no difference."""
        log = logs.new_log(buffer_size=4096)
        for i in range(1000):
            log.system(0, 10 * i + 10, group=3, opcode=0x60, pid=44, tid=1000)
            walked(log, 0, 10 * i + 11, 10 * i + 10, 44, 1000, *KERNEL[i % 2 :])
        kernel, ticks = collected(log, tmp_path, size=8192)
        assert len(kernel.stacks.addresses) == 2
        assert by_tick(kernel, ticks) == {10 * i + 10: KERNEL[i % 2 :] for i in range(1000)}


class TestKeys:
    """Stacks that are told by a key."""

    def test_a_key_is_used_again(self, tmp_path):
        """A key stands for what it stood for when it was deleted or run down next."""
        log = logs.new_log()
        key = 0xFFFFAE0000000010
        for tick in (100, 200, 300):
            log.system(0, tick, group=3, opcode=0x60, pid=44, tid=1000)
            keyed(log, 0, tick + 1, 0x25, tick, 44, 1000, key)
        keyed(log, 1, 250, 0x26, 200, 44, 1000, key + 1)
        for tick, opcode, definition in (
            (150, 0x23, (key, *KERNEL)),
            (400, 0x24, (key, *KERNEL[1:])),
            (400, 0x24, (key + 1, *USER)),
        ):
            payload = logs.key_definition(*definition)
            log.perfinfo(0, tick, group=logs.STACKWALK, opcode=opcode, payload=payload)
        kernel, ticks = collected(log, tmp_path)
        assert by_tick(kernel, ticks) == {100: KERNEL, 200: KERNEL[1:] + USER, 300: KERNEL[1:]}
        assert kernel.warnings == []

    def test_a_key_that_nothing_explains_is_reported(self, tmp_path):
        """Without its rundown a key gives no stack, and the trace's reader is told so."""
        log = logs.new_log()
        log.system(0, 100, group=3, opcode=0x60, pid=44, tid=1000)
        keyed(log, 0, 101, 0x25, 100, 44, 1000, 0xFFFFAE0000000010)
        kernel, _ = collected(log, tmp_path)
        assert kernel.stacks.table.num_rows == 0
        assert kernel.warnings == ["1 stacks are named by keys that the trace does not explain"]

    def test_a_key_that_was_made_and_is_still_there(self, tmp_path):
        """A key whose making alone is in the trace stands for that."""
        log = logs.new_log()
        payload = logs.key_definition(0xFFFFAE0000000010, *KERNEL)
        log.perfinfo(0, 90, group=logs.STACKWALK, opcode=0x22, payload=payload)
        log.system(0, 100, group=3, opcode=0x60, pid=44, tid=1000)
        keyed(log, 0, 101, 0x25, 100, 44, 1000, 0xFFFFAE0000000010)
        kernel, ticks = collected(log, tmp_path)
        assert by_tick(kernel, ticks) == {100: KERNEL}


class TestItems:
    """Stacks in extended items."""

    @pytest.mark.parametrize("width", [4, 8])
    def test_an_event_carries_its_stack(self, tmp_path, width):
        """Items of both widths hold a match id and addresses."""
        log = logs.new_log()
        addresses = [address & 0x7FFFFFFF for address in USER] if width == 4 else USER
        data = struct.pack(f"<Q4{'I' if width == 4 else 'Q'}", 0, *addresses)
        log.event(0, 100, pid=44, tid=1000, provider=PROVIDER, items=[(5 if width == 4 else 6, data)])
        kernel, ticks = collected(log, tmp_path)
        assert by_tick(kernel, ticks) == {100: addresses}

    def test_a_match_id_joins_the_halves_of_two_events(self, tmp_path):
        """Events of one match id have the stack that their items make together; 0 joins nothing."""
        log = logs.new_log()
        for tick, match, addresses in ((100, 7, KERNEL), (150, 7, USER), (200, 0, KERNEL), (250, 0, USER)):
            items = [(6, struct.pack("<5Q", match, *addresses))]
            log.event(0, tick, pid=44, tid=1000, provider=PROVIDER, items=items)
        kernel, ticks = collected(log, tmp_path)
        assert by_tick(kernel, ticks) == {100: KERNEL + USER, 150: KERNEL + USER, 200: KERNEL, 250: USER}

    def test_an_item_may_hold_a_key(self, tmp_path):
        """A stack key in an item is explained by the rundown as one of a walk is."""
        log = logs.new_log()
        items = [(18, struct.pack("<QQ", 0, 0xFFFFAE0000000010))]
        log.event(0, 100, pid=44, tid=1000, provider=PROVIDER, items=items)
        payload = logs.key_definition(0xFFFFAE0000000010, *KERNEL)
        log.perfinfo(0, 400, group=logs.STACKWALK, opcode=0x24, payload=payload)
        kernel, ticks = collected(log, tmp_path)
        assert by_tick(kernel, ticks) == {100: KERNEL}

    def test_items_that_are_too_short(self, tmp_path):
        """Items without room for their match id or key are passed over."""
        log = logs.new_log()
        for tick, item in (
            (10, (6, b"1234")),
            (20, (18, bytes(12))),
            (30, (6, bytes(8))),
            (40, (17, bytes(3))),
        ):
            log.event(0, tick, pid=44, tid=1000, provider=PROVIDER, items=[item])
        kernel, ticks = collected(log, tmp_path)
        assert by_tick(kernel, ticks) == {30: []}


@pytest.fixture(scope="module")
def read(corpus):
    """The chunks of the trace, and its tables."""
    with open_log(corpus / "etl" / "net.4.5.2.x64.etl") as log:
        chunks = list(log.chunks())
    collector = Collector({"stacks"}, log.header.pointer_size)
    for chunk in chunks:
        collector.add(chunk)
    return chunks, collector.finish()


class TestRealTrace:
    """A trace with walks, keys and items."""

    def test_every_stack_finds_its_event(self, read):
        """All walks, all keys and all items of the trace belong to a record."""
        _, kernel = read
        assert kernel.warnings == []
        assert (kernel.stacks.unmatched, kernel.stacks.unresolved) == (0, 0)
        assert kernel.stacks.table.num_rows == 8401

    def test_stacks_are_those_that_a_loop_joins(self, read):
        """The addresses of all records are those of all parts, each looked up one by one; few are surplus."""
        chunks, kernel = read
        definitions, parts = {}, []
        for chunk in chunks:
            for part in decode(chunk, {"StackWalk"}):
                ticks = chunk.column("tick")[part.rows].tolist()
                for tick, row in zip(ticks, part.table.to_pylist(), strict=True):
                    if "EventTimeStamp" in row:
                        parts.append(row)
                    else:
                        definitions.setdefault(row["StackKey"], []).append((tick, tuple(row["Stack"])))
        expected = Counter()
        for row in parts:
            if "StackKey" in row:
                known = sorted(definitions[row["StackKey"]])
                stack = next(stack for tick, stack in known if tick >= row["EventTimeStamp"])
            else:
                stack = row["Stack"]
            expected.update(stack)
        for chunk in chunks:
            items = chunk.items(np.flatnonzero(chunk.column("extended"))).of_type(6)
            for start, size in zip(items.start.tolist(), items.size.tolist(), strict=True):
                expected.update(np.frombuffer(chunk.data[start + 8 : start + size].tobytes(), "<u8").tolist())
        lists = kernel.stacks.addresses.to_pylist()
        found = Counter()
        for code, count in Counter(kernel.stacks.table.column("stack").to_pylist()).items():
            for address in lists[code]:
                found[address] += count
        # Of fifteen ticks the kernel walked the stack of one thread twice, and a record has one.
        assert kernel.stacks.surplus == 15
        assert found - expected == Counter()
        assert 0 < (expected - found).total() < expected.total() // 500
