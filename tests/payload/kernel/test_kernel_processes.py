"""Every pid has the name of the process that had it then, whatever order the buffers come in."""

import kernel_logs as logs
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tracecheck.etl.reader import open_log
from tracecheck.payload.kernel import NO_ID, Collector
from tracecheck.payload.kernel._lives import ALWAYS, BEGINS, ENDS, LIVES, NEVER, build_lives, find_last


def collected(log, tmp_path, tables=("processes",)):
    """Collects a log; gives the tables, and the times of its records by tick."""
    collector = Collector(tables)
    times = {}
    for chunk in logs.chunks(log, tmp_path):
        collector.add(chunk)
        times |= dict(zip(chunk.column("tick").tolist(), chunk.column("time").tolist(), strict=True))
    return collector.finish(), times


def names(kernel, pid, *times):
    """The names of one pid at some times."""
    return kernel.processes.names(np.full(len(times), pid), np.array(times)).to_pylist()


class TestLives:
    """Lives of numbers that are used again."""

    @given(st.lists(st.tuples(st.integers(0, 3), st.integers(-5, 5)), max_size=30), st.data())
    def test_the_last_row_is_found_as_a_loop_finds_it(self, rows, data):
        """A search in two sorted columns equals looking at every row."""
        rows.sort()
        wanted = data.draw(st.lists(st.tuples(st.integers(-1, 4), st.integers(-7, 7)), max_size=10))
        major, minor = (np.array([row[i] for row in rows], np.int64) for i in (0, 1))
        found = find_last(major, minor, *(np.array([want[i] for want in wanted], np.int64) for i in (0, 1)))
        expected = [
            max((i for i, row in enumerate(rows) if row[0] == a and row[1] <= b), default=-1)
            for a, b in wanted
        ]
        assert found.tolist() == expected

    @given(
        st.lists(
            st.tuples(
                st.integers(0, 2),
                st.integers(0, 20),
                st.sampled_from([BEGINS, LIVES, ENDS]),
                st.integers(0, 2),
            ),
            max_size=25,
        )
    )
    def test_lives_follow_each_other(self, events):
        """Lives of one key do not overlap, and the first event of each lies within it."""
        columns = [np.array([event[i] for event in events], np.int64) for i in range(4)]
        lives = build_lives(columns[0].astype(np.uint64), columns[1], columns[2].astype(np.int8), columns[3])
        assert (lives.start <= lives.end).all()
        for one in range(lives.key.size):
            time = columns[1][lives.event[one]]
            assert lives.start[one] <= time <= lives.end[one]
            if one and lives.key[one - 1] == lives.key[one]:
                assert lives.end[one - 1] <= lives.start[one]
            elif columns[2][lives.event[one]] != BEGINS:
                assert lives.start[one] == ALWAYS
        assert (lives.end <= NEVER).all()


class TestProcesses:
    """Names of pids."""

    def test_a_pid_is_used_again(self, tmp_path):
        """After its end a pid keeps the name until another process begins with it."""
        log = logs.new_log()
        for tick, opcode, name, key in (
            (100, logs.START, "one.exe", 1),
            (300, logs.START, "two.exe", 2),
            (200, logs.END, "one.exe", 1),
        ):
            payload = logs.process(44, name, key=key)
            log.system(
                tick // 100 % 2, tick, group=3, opcode=opcode, pid=4, tid=8, payload=payload, version=4
            )
        kernel, time = collected(log, tmp_path)
        assert names(
            kernel, 44, time[100] - 1, time[100], time[200], time[300] - 1, time[300], time[300] + 10**9
        ) == [
            None,
            "one.exe",
            "one.exe",
            "one.exe",
            "two.exe",
            "two.exe",
        ]
        assert kernel.processes.table.column("end").null_count == 1
        assert names(kernel, 45, time[200]) == [None]

    def test_a_rundown_alone_names_a_process_throughout(self, tmp_path):
        """A process of which only the end of the session tells was there before its first record."""
        log = logs.new_log()
        log.perfinfo(0, 500, group=3, opcode=logs.DC_END, payload=logs.process(44, "svc.exe"), version=4)
        kernel, time = collected(log, tmp_path)
        assert names(kernel, 44, 0, time[500], time[500] + 5) == ["svc.exe"] * 3
        assert kernel.processes.table.column("start").null_count == 1

    def test_a_lost_start_after_an_end(self, tmp_path):
        """A process in the rundown behind another's end is a new one, though its start was lost."""
        log = logs.new_log()
        log.perfinfo(
            0, 100, group=3, opcode=logs.DC_START, payload=logs.process(44, "one.exe", key=1), version=4
        )
        log.perfinfo(0, 200, group=3, opcode=logs.END, payload=logs.process(44, "one.exe", key=1), version=4)
        log.perfinfo(
            0, 900, group=3, opcode=logs.DC_END, payload=logs.process(44, "two.exe", key=2), version=4
        )
        kernel, time = collected(log, tmp_path)
        assert kernel.processes.table.column("name").to_pylist() == ["one.exe", "two.exe"]
        assert names(kernel, 44, time[100], time[900]) == ["one.exe", "two.exe"]

    def test_every_record_of_a_real_trace_has_a_name(self, corpus):
        """With a rundown in the trace, every pid of a header has a name, and idle and System have theirs."""
        for trace in ("ShutdownPerfDiagLogger", "net.4.5.2.x64", "DynamicEvents"):
            with open_log(corpus / "etl" / f"{trace}.etl") as log:
                read = list(log.chunks())
            collector = Collector({"processes"}, log.header.pointer_size)
            for chunk in read:
                collector.add(chunk)
            kernel = collector.finish()
            for chunk in read:
                pid, time = chunk.column("pid"), chunk.column("time")
                named = kernel.processes.names(pid[pid != NO_ID], time[pid != NO_ID])
                assert named.null_count == 0
            assert names(kernel, 4, int(time[0])) == ["System"]

    def test_parents_of_a_real_trace_lived_before(self, corpus):
        """Times of real processes are in order: none ends before it starts."""
        with open_log(corpus / "etl" / "ShutdownPerfDiagLogger.etl") as log:
            collector = Collector({"processes"})
            for chunk in log.chunks():
                collector.add(chunk)
        table = collector.finish().processes.table
        assert table.num_rows > 90
        spans = zip(*(table.column(name).cast("int64").to_pylist() for name in ("start", "end")), strict=True)
        assert all(start <= end for start, end in spans if start is not None and end is not None)


class TestThreads:
    """Whose thread a tid is, and who ran on a processor."""

    def test_a_record_without_ids_gets_those_of_the_running_thread(self, tmp_path):
        """A callback of a minifilter belongs to the thread that the processor had switched to."""
        log = logs.new_log()
        log.system(
            0, 10, group=5, opcode=logs.DC_START, pid=4, tid=8, payload=logs.thread(44, 1000), version=3
        )
        for cpu, tick, tid in ((0, 50, 1000), (0, 90, 7), (1, 20, 9)):
            payload = tid.to_bytes(4, "little") + bytes(20)
            log.perfinfo(cpu, tick, group=5, opcode=0x24, payload=payload)
        for cpu, tick in ((0, 40), (0, 60), (1, 60)):
            log.perfinfo(cpu, tick, group=logs.FILE, opcode=0x60, payload=logs.flt(1, 2, 0))
        kernel, _ = collected(log, tmp_path, ("processes", "fltio"))
        rows = kernel.fltio.select(["tick", "cpu", "pid", "tid"]).to_pylist()
        assert sorted((row["tick"], row["cpu"], row["pid"], row["tid"]) for row in rows) == [
            (40, 0, NO_ID, NO_ID),
            (60, 0, 44, 1000),
            (60, 1, NO_ID, 9),
        ]

    def test_a_tid_moves_to_another_process(self, tmp_path):
        """The process of a tid is that of the thread that had it then."""
        log = logs.new_log()
        for tick, opcode, pid in ((10, logs.START, 44), (20, logs.END, 44), (30, logs.START, 55)):
            log.system(
                0, tick, group=5, opcode=opcode, pid=4, tid=8, payload=logs.thread(pid, 1000), version=3
            )
        kernel, time = collected(log, tmp_path)
        at = np.array([time[10], time[20], time[30]])
        assert kernel.threads.process_of(np.full(3, 1000), at).tolist() == [44, 44, 55]
        assert kernel.threads.process_of(np.array([5]), at[:1]).tolist() == [NO_ID]
