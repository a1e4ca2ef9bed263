"""The kernel's events beside the drivers': rundown, images, minifilter callbacks, stacks."""

import struct
from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from written import decode, events, is_ours, records

from tracecheck.simulate import Fault, Scenario, simulate
from tracecheck.simulate.driver import NAMES
from tracecheck.simulate.images import CALLBACKS, Images

RUN = Scenario(operations=700, drivers=2, faults=(Fault("R01"), Fault("L09", "stream")))
PREOP_INIT, POSTOP_INIT, PREOP_COMPLETION, POSTOP_COMPLETION = 0x60, 0x61, 0x62, 0x63
DRAINING = 3


def system(record):
    """Split a SYSTEM record: (group, type), tid, pid, tick, payload; None for any other."""
    if record[2] not in (1, 2) or record[3] != 0xC0:
        return None
    tid, pid, tick = struct.unpack_from("<IIq", record, 8)
    return (record[7], record[6]), tid, pid, tick, record[32:]


def per_processor(data):
    """List each processor's canonical events as bytes, in the order of their writing."""
    found = defaultdict(list)
    for cpu, record in records(data):
        if is_ours(record):
            found[cpu].append(record)
    return found


def with_stacks(data):
    """List (event, addresses): a stack walk is of the event before it on its processor."""
    waiting, found = {}, []
    for cpu, record in records(data):
        if is_ours(record):
            waiting[cpu] = decode(cpu, record)
        elif record[2] == 0x11 and record[6:8] == b"\x20\x18":
            addresses = struct.unpack_from(f"<{(len(record) - 32) // 8}Q", record, 32)
            found.append((waiting.pop(cpu), addresses))
    return found


def images(data, *types):
    """List the images of some events: (group, type), base, size, file name."""
    found = []
    for _, record in records(data):
        kernel = system(record)
        if kernel and kernel[0] in types:
            base, size = struct.unpack_from("<QQ", kernel[4])
            name = kernel[4][56:].decode("utf-16-le").removesuffix("\0")
            found.append((kernel[0], base, size, name))
    return found


@pytest.fixture(scope="module")
def made():
    """A run with the kernel's events."""
    return simulate(RUN, kernel_events=True)


class TestRun:
    """What the kernel's events do to the run."""

    @pytest.mark.parametrize("conditions", [(), ("noise",), ("relay",), ("late-start",)])
    def test_the_run_stays_the_same(self, conditions):
        """The drivers' events are byte for byte those of the run without the kernel's."""
        scenario = Scenario(operations=400, conditions=frozenset(conditions), faults=(Fault("R02"),))
        plain, more = simulate(scenario), simulate(scenario, kernel_events=True)
        ours = [per_processor(made.data) for made in (plain, more)]
        assert ours[0] == ours[1]
        assert plain.truth == more.truth
        assert len(records(more.data)) > len(records(plain.data))

    def test_ticks_never_run_back_on_a_processor(self, made):
        """Each processor's records are in the order of their times."""
        last = defaultdict(int)
        for cpu, record in records(made.data):
            tick = struct.unpack_from("<q", record, 8 if record[2] == 0x11 else 16)[0]
            assert tick >= last[cpu]
            last[cpu] = tick


class TestRundown:
    """Processes, threads and images."""

    def test_every_thread_and_process_of_an_event_is_known_before_it(self, made):
        """A thread that the drivers' events name is in the rundown at the start, or started before."""
        begun, processes = {}, set()
        for _, record in records(made.data):
            kernel = system(record)
            if kernel and kernel[0] in ((5, 1), (5, 3)):
                pid, tid = struct.unpack_from("<II", kernel[4])
                begun[pid, tid] = kernel[3]
            if kernel and kernel[0] == (3, 3):
                processes.add(struct.unpack_from("<I", kernel[4], 8)[0])
        for event in events(made.data):
            assert begun[event.pid, event.tid] <= event.tick
            assert event.pid in processes

    def test_images_are_loaded_and_run_down(self, made):
        """The kernel and FLTMGR are there at the start; the drivers load, and end loaded or unload."""
        names = [name.rsplit("\\")[-1] for *_, name in images(made.data, (0x14, 3))]
        assert names == ["ntoskrnl.exe", "FLTMGR.SYS"]
        loaded = images(made.data, (3, 10))
        assert [name.rsplit("\\")[-1] for *_, name in loaded] == ["Sim.sys", "Vault.sys"]
        gone = {base for _, base, *_ in images(made.data, (0x14, 2), (0x14, 4))}
        assert gone >= {base for _, base, *_ in loaded}

    def test_a_late_start_finds_the_drivers_loaded(self):
        """Where the capture starts late, the rundown names the drivers."""
        made = simulate(
            Scenario(operations=600, conditions=frozenset({"late-start"})), "wpp", kernel_events=True
        )
        names = [name.rsplit("\\")[-1] for *_, name in images(made.data, (0x14, 3))]
        assert names == ["ntoskrnl.exe", "FLTMGR.SYS", "Sim.sys"]
        assert images(made.data, (3, 10)) == []


class TestStacks:
    """A stack walk for each event of the drivers."""

    def test_every_event_has_its_stack(self, made):
        """The walk follows the event on its processor, and names its time, process and thread."""
        walked = []
        for cpu, record in records(made.data):
            if record[2] == 0x11 and record[6:8] == b"\x20\x18":
                own, tick, pid, tid = struct.unpack_from("<qQII", record, 8)
                assert own == tick
                walked.append((cpu, tick, pid, tid))
        rows = sorted((e.cpu, e.tick, e.pid, e.tid) for e in events(made.data) if e.name != "CaptureStart")
        assert sorted(walked) == rows

    def test_the_second_frame_is_the_call_site(self, made):
        """Below the writer lies the driver's function; every address lies in a function of an image."""
        layout = Images(8, NAMES[:2])
        every = [layout.kernel, layout.fltmgr, *layout.drivers.values()]
        stacks = with_stacks(made.data)
        for event, addresses in stacks:
            named = [next(filter(None, (i.name_of(a) for i in every)), None) for a in addresses]
            assert None not in named
            assert named[1] == event.fields["Function"]
        assert len(stacks) == made.truth.events - 1

    def test_lines_of_a_function_have_addresses_of_their_own(self, made):
        """The same line gives the same address, another line another one."""
        known = defaultdict(set)
        for event, addresses in with_stacks(made.data):
            known[event.fields["Function"], event.fields["Line"]].add(addresses[1])
        assert all(len(each) == 1 for each in known.values())
        assert len(set.union(*known.values())) == len(known)


class TestCallbacks:
    """FltIo events: where each call stands in the I/O."""

    @settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.integers(0, 2**31),
        st.sampled_from([8, 4]),
        st.sampled_from(["R01:get", "R05:delete", "L01:orphan", "R04:set", "L09:stream"]),
    )
    def test_an_event_lies_in_the_callback_that_it_names(self, seed, pointer_size, fault):
        """Between a callback's start and end, on its thread, an event has its major function and phase."""
        scenario = Scenario(
            seed=seed, operations=300, pointer_size=pointer_size, faults=(Fault(*fault.split(":")),)
        )
        inside, checked = defaultdict(list), 0
        for record in in_order(simulate(scenario, kernel_events=True).data):
            kernel = system(record)
            if kernel and kernel[0][0] == 4:
                follow(inside[kernel[2], kernel[1]], kernel, pointer_size)
            elif is_ours(record):
                event = decode(0, record)
                major, phase = event.fields.get("MajorFunction"), event.fields.get("Phase")
                if major is not None:
                    *_, running = inside[event.pid, event.tid]
                    assert running[:2] == (major, phase == 1)
                    assert event.fields.get("FileObject", running[2]) == running[2]
                    checked += 1
        assert checked > 50

    def test_addresses_are_those_of_registered_callbacks(self, made):
        """The routine is the start of a callback of one of the drivers, for this major function and phase."""
        layout = Images(8, NAMES[:2])
        starts = {
            (image.functions[name + CALLBACKS[place]].start, *place)
            for name, image in layout.drivers.items()
            for place in CALLBACKS
        }
        seen = set()
        for _, record in records(made.data):
            kernel = system(record)
            if kernel and kernel[0][0] == 4:
                skip = 8 if kernel[0][1] >= PREOP_COMPLETION else 0
                (routine,) = struct.unpack_from("<Q", kernel[4], skip)
                (major,) = struct.unpack_from("<I", kernel[4], skip + 40)
                seen.add((routine, major, 1 if kernel[0][1] in (PREOP_INIT, PREOP_COMPLETION) else 2))
        assert len(seen) > 10
        assert seen <= starts


def in_order(data):
    """List the records by time; those of one tick and processor in the order of their writing."""
    rows = []
    for cpu, record in records(data):
        tick = struct.unpack_from("<q", record, 8 if record[2] in (0x10, 0x11) else 16)[0]
        rows.append((tick, cpu, len(rows), record))
    return [record for *_, record in sorted(rows, key=lambda row: row[:3])]


def follow(running, kernel, pointer_size):
    """Begin or end a callback of a thread: (major, whether pre, file object, IRP, callback data)."""
    (_, opcode), _, _, tick, payload = kernel
    ending = opcode in (PREOP_COMPLETION, POSTOP_COMPLETION)
    code = "Q" if pointer_size == 8 else "I"
    head = "<Q" if ending else "<"
    *begun, _, file, stream, irp, cbd, major = struct.unpack(f"{head}5{code}I", payload)
    assert (file == 0) >= (stream == 0) or major == 0
    entry = (major, opcode in (PREOP_INIT, PREOP_COMPLETION), file, irp, cbd)
    if ending:
        assert begun[0] <= tick
        running.remove(entry)
    else:
        running.append(entry)
