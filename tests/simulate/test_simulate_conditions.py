"""What befalls captures, and that the truth knows it."""

import struct
from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from written import buffers, events, is_ours, records

from tracecheck.simulate import Fault, Scenario, simulate
from tracecheck.simulate.conditions import CONDITIONS, START_NANOSECONDS, START_TICK, ranges

EVENTS_LOST, BUFFERS_LOST = 0x48 + 32 + 48, 0x48 + 32 + 276
LOST, BUFFER_LOST = 2, 4


def run(*names, **more):
    """Simulate under conditions."""
    return simulate(Scenario(conditions=frozenset(names), **more))


def numbers(runs):
    """Write out runs of numbers."""
    return {number for first, last in runs for number in range(first, last + 1)}


def flags(data):
    """List the flags of each buffer behind the header's."""
    at, found = 0, []
    while at < len(data):
        (size,) = struct.unpack_from("<I", data, at)
        found.append(struct.unpack_from("<H", data, at + 0x34)[0])
        at += size
    return found[1:]


class TestLosses:
    """Events that never reach the file."""

    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.integers(0, 2**31),
        st.sets(
            st.sampled_from(
                ["lost-events", "lost-buffers", "circular", "late-start", "noise", "relay", "flush"]
            )
        ),
        st.integers(300, 900),
    )
    def test_what_is_not_in_the_file_is_in_the_truth(self, seed, names, operations):
        """The numbers in the file and those that the truth calls missing are together all numbers, once."""
        made = run(*names, seed=seed, operations=operations)
        there = [event.fields["Sequence"] for event in events(made.data)]
        missing = numbers([pair for runs in made.truth.lost.values() for pair in runs])
        assert len(there) == len(set(there)) == made.truth.events
        assert set(there) | missing == set(range(1, made.truth.logged + 1))
        assert not set(there) & missing

    def test_lost_events_are_counted_and_flagged(self):
        """The log's header counts single events, and buffers bear the flag."""
        made = run("lost-events")
        lost = numbers(made.truth.lost["events"])
        assert struct.unpack_from("<I", made.data, EVENTS_LOST) == (len(lost),)
        assert any(flag & LOST for flag in flags(made.data))
        assert made.truth.evidence == "lost"

    def test_lost_buffers_are_counted_and_leave_a_gap(self):
        """The header counts buffers, the next one bears the flag, and their sequence numbers are gone."""
        made = run("lost-buffers")
        assert struct.unpack_from("<I", made.data, BUFFERS_LOST) == (2,)
        assert any(flag & BUFFER_LOST for flag in flags(made.data))
        used = [sequence for _, sequence, _ in buffers(made.data)]
        assert max(used) - len(used) + 1 == 2
        assert numbers(made.truth.lost["buffers"])

    def test_a_circular_log_forgets_its_beginning(self):
        """Only the newest buffers are there, and CaptureStart is not among them."""
        made = run("circular")
        assert numbers(made.truth.lost["overwritten"])
        assert "CaptureStart" not in {event.name for event in events(made.data)}
        sequences = [sequence for _, sequence, _ in buffers(made.data)][1:]
        assert sequences != sorted(sequences)

    def test_a_late_start_has_no_capture_start(self):
        """The first event's number is not 1."""
        made = run("late-start")
        found = events(made.data)
        assert found[0].fields["Sequence"] == len(numbers(made.truth.lost["late"])) + 1
        assert "CaptureStart" not in {event.name for event in found}


class TestCoverage:
    """Routines that are not logged completely."""

    @pytest.mark.parametrize(
        ("condition", "routine"), [("partial", "FltReleaseContext"), ("no-cleanup", "ContextCleanup")]
    )
    def test_capture_start_says_what_is_complete(self, condition, routine):
        """Coverage names every routine in the file but the incomplete one."""
        found = events(run(condition).data)
        covered = set(found[0].fields["Coverage"].split())
        assert routine not in covered
        assert {event.name for event in found} - {"CaptureStart", routine} <= covered

    def test_what_is_not_logged_has_no_number(self):
        """A call site that logs nothing leaves no gap."""
        made = run("partial", "no-cleanup")
        assert sorted(e.fields["Sequence"] for e in events(made.data)) == list(
            range(1, made.truth.events + 1)
        )
        assert not [e for e in events(made.data) if e.name == "ContextCleanup"]


def content(data):
    """List the canonical events in an order that equal ticks can't change."""
    return sorted(events(data), key=repr)


class TestForms:
    """The same calls, written otherwise."""

    @pytest.mark.parametrize(
        ("condition", "field"), [("no-begin", "Begin"), ("no-sequence", "Sequence"), ("lean", "File")]
    )
    def test_a_field_is_left_out(self, condition, field):
        """No event has the field, and the events are the same otherwise."""
        plain, without = events(run().data), events(run(condition).data)
        assert sorted(e[:5] for e in plain) == sorted(e[:5] for e in without)
        assert any(field in event.fields for event in plain)
        assert not any(field in event.fields for event in without)

    def test_wide_text_is_the_same_text(self):
        """UTF-16 changes no value."""
        assert content(run("wide").data) == content(run().data)

    def test_noise_leaves_the_drivers_events_alone(self):
        """Other providers' records of several kinds lie between; the canonical events are the same."""
        plain, noisy = run(), run("noise")
        others = [record for _, record in records(noisy.data) if not is_ours(record)]
        assert len({record[2] for record in others}) >= 3
        assert content(noisy.data) == content(plain.data)

    def test_a_relay_writes_in_its_own_name(self):
        """Each event says when and where the call was; the record itself is the relay's, and later."""
        plain, relayed = run(), run("relay")
        found = events(relayed.data)
        assert len({(event.pid, event.tid) for event in found[1:]}) == 1
        said = {
            event.fields["Sequence"]: (
                event.fields["Time"],
                event.fields["ProcessId"],
                event.fields["ThreadId"],
                event.fields["Processor"],
            )
            for event in found
            if event.name != "CaptureStart"
        }
        for event in events(plain.data)[1:]:
            when = START_NANOSECONDS + (event.tick - START_TICK) * 100
            assert said[event.fields["Sequence"]] == (when, event.pid, event.tid, event.cpu)
        ours = [event.tick for event in found]
        assert ours == sorted(ours)

    def test_numbers_may_be_written_out_of_order(self):
        """A thread that is interrupted between number and event is overtaken; no number is missing."""
        made = run("sequence-races", operations=5000, duration=0.0)
        by_time = [event.fields["Sequence"] for event in events(made.data)]
        assert by_time != sorted(by_time)
        assert sorted(by_time) == list(range(1, len(by_time) + 1))

    def test_flushes_come_at_different_times(self):
        """More buffers, none of them full, and the same events."""
        plain, flushed = run(), run("flush")
        assert len(flushed.data) > len(plain.data)
        assert content(flushed.data) == content(plain.data)

    def test_stalls_are_long(self):
        """A call takes milliseconds now and then."""
        durations = [e.tick - e.fields["Begin"] for e in events(run("stalls").data) if "Begin" in e.fields]
        assert max(durations) > 50_000

    @pytest.mark.parametrize("condition", CONDITIONS)
    def test_every_processors_records_are_in_the_order_of_time(self, condition):
        """Within a processor's buffers ticks never go back."""
        last = defaultdict(int)
        for cpu, record in records(run(condition).data):
            if record[2] in (0x12, 0x13):
                (tick,) = struct.unpack_from("<q", record, 16)
                assert tick >= last[cpu]
                last[cpu] = tick


class TestSmallParts:
    """Helpers."""

    @given(st.sets(st.integers(0, 60)))
    def test_ranges_are_the_numbers(self, chosen):
        """Runs cover exactly the numbers, and no two of them touch."""
        runs = ranges(sorted(chosen))
        assert numbers(runs) == chosen
        assert all(after[0] > before[1] + 1 for before, after in pairwise(runs))

    def test_faults_and_conditions_go_together(self):
        """A fault whose event is lost is in the truth, and marked."""
        faults = (Fault("R01", at=0.2), Fault("R01", at=0.6))
        truth = simulate(Scenario(faults=faults, conditions=frozenset({"late-start"}))).truth
        assert [fault.reached for fault in truth.faults] == [False, True]
