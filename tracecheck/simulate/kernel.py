"""The kernel logger's events of a run: processes, threads and images, minifilter callbacks, stack walks.

Layouts: Process_V4, Thread_V3 and Image_V3 as real kernel traces have them; FltIoInit and FltIoCompletion
(version 3) as their MOF classes say; StackWalk_Event. Nothing here changes the run: no time passes and
nothing is drawn.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tracecheck.simulate.sites import CREATE, PRE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracecheck.etl.writer import LogWriter
    from tracecheck.simulate.conditions import Session
    from tracecheck.simulate.forms.shape import Shape
    from tracecheck.simulate.images import Image, Images
    from tracecheck.simulate.machine import Machine, Steps, Thread
    from tracecheck.simulate.objects import FileObject

T = TypeVar("T")

PROCESS, FILE_IO, THREAD, IMAGE, STACK_WALK = 3, 4, 5, 0x14, 0x18
START, DC_START, DC_END, UNLOAD, LOAD = 1, 3, 4, 2, 10
PREOP_INIT, POSTOP_INIT, PREOP_COMPLETION, POSTOP_COMPLETION = 0x60, 0x61, 0x62, 0x63
STACK = 32

_PROCESS_VERSION, _THREAD_VERSION, _IMAGE_VERSION, _FLTIO_VERSION = 4, 3, 3, 3
_LOGGER = (4, 0x98)
_SYSTEM_SID = bytes.fromhex("010100000000000512000000")
_PROGRAMS = ("explorer.exe", "backup.exe", "indexer.exe", "svchost.exe", "winword.exe")
_RELAY_PROGRAM = "relay.exe"
_IRPS = {8: 0xFFFF_A80E_0000_0000, 4: 0x8500_0000}
_CBDS = {8: 0xFFFF_A80E_1000_0000, 4: 0x8540_0000}
_STACKS = {8: 0xFFFF_FD80_0000_0000, 4: 0x9000_0000}
_SPARE = 512  # IRPs before their addresses come back


class Io(NamedTuple):
    """One I/O operation: the file, IRP_MJ_*, and the addresses of its IRP and callback data."""

    file: FileObject | None
    major: int
    irp: int
    cbd: int


class _Entered(NamedTuple):
    """A callback that is running: whose, what it is, when it began."""

    driver: str
    io: Io
    phase: int
    stream: int
    tick: int


class Kernel:
    """Writes the kernel's events.

    Args:
        machine: Tells the time.
        session: Says whether it is recording.
        writer: Makes the file.
        images: What is loaded; the drivers' only once :meth:`load` has said so.
        threads: Process and thread ids that are there from the start.
        relay: Process and thread id of the relay, None for none: it has no stack in a driver.
        pointer_size: 4 or 8.

    Attributes:
        files: The file that each thread opened last.
    """

    def __init__(
        self,
        machine: Machine,
        session: Session,
        writer: LogWriter,
        images: Images,
        threads: Iterable[tuple[int, int]],
        relay: tuple[int, int] | None,
        pointer_size: int,
    ) -> None:
        self.files: dict[Thread, FileObject] = {}
        self._machine = machine
        self._session = session
        self._writer = writer
        self._images = images
        self._loaded: dict[str, Image] = {"": images.kernel, "fltmgr": images.fltmgr}
        self._threads = dict.fromkeys((*threads, *([relay] if relay else [])))
        self._relay = relay
        self._size = pointer_size
        self._pointer = "Q" if pointer_size == 8 else "I"
        self._inside: dict[Thread, list[_Entered]] = {}
        self._alone: _Entered | None = None
        self._count = 0

    def begin(self, tick: int) -> None:
        """Write the rundown at the session's start."""
        self._run_down(tick, DC_START)

    def end(self, tick: int) -> None:
        """Write the rundown at the session's end."""
        if self._session.begun:
            self._run_down(tick, DC_END)

    def load(self, thread: Thread, driver: str) -> None:
        """Write that a driver's image was loaded."""
        image = self._loaded[driver] = self._images.drivers[driver]
        self._system(thread, self._machine.now, PROCESS, LOAD, _IMAGE_VERSION, self._image(image))

    def unload(self, thread: Thread, driver: str) -> None:
        """Write that a driver's image was unloaded."""
        image = self._loaded.pop(driver)
        self._system(thread, self._machine.now, IMAGE, UNLOAD, _IMAGE_VERSION, self._image(image))

    def io(self, file: FileObject | None, major: int) -> Io:
        """Begin an I/O operation."""
        at = self._count = (self._count + 1) % _SPARE
        return Io(file, major, _IRPS[self._size] + 0x40 + at * 0x200, _CBDS[self._size] + 0x40 + at * 0x140)

    def around(self, thread: Thread, driver: str, io: Io, phase: int, steps: Steps[T]) -> Steps[T]:
        """Run a callback's script between the events of its start and its end."""
        inside = self._inside.setdefault(thread, [])
        entered = self._enter(thread, self._machine.now, driver, io, phase)
        inside.append(entered)
        result = yield from steps
        inside.remove(entered)
        self._leave(thread, self._machine.now, entered)
        return result

    def before(self, thread: Thread, tick: int, shape: Shape) -> None:
        """Let an event's callback begin where no script says that it has: faulty code is in none of them."""
        site = shape.site
        if self._is_relay(thread) or site.major is None or site.phase is None:
            return
        inside = self._inside.get(thread)
        if not inside or not _is_in(inside[-1], shape.driver, site.major, site.phase):
            io = self.io(self.files.get(thread), site.major)
            self._alone = self._enter(thread, tick, shape.driver, io, site.phase)

    def after(self, thread: Thread, tick: int, shape: Shape) -> None:
        """Write the stack of the event just written, and end what :meth:`before` began."""
        if self._is_relay(thread) or not shape.site.function:
            return
        self._meet(thread, tick)
        if self._session.admits(thread.cpu):
            addresses = self._images.stack(shape.driver, shape.site)
            head = struct.pack("<QII", tick, thread.pid, thread.tid)
            payload = head + struct.pack(f"<{len(addresses)}{self._pointer}", *addresses)
            self._writer.perfinfo(thread.cpu, tick, group=STACK_WALK, opcode=STACK, payload=payload)
        if self._alone is not None:
            self._leave(thread, tick, self._alone)
            self._alone = None

    def _enter(self, thread: Thread, tick: int, driver: str, io: Io, phase: int) -> _Entered:
        # Before a file is open, its FILE_OBJECT names no stream yet.
        named = io.file is not None and not (io.major == CREATE and phase == PRE)
        stream = io.file.file.pointer if named and io.file else 0
        entered = _Entered(driver, io, phase, stream, tick)
        self._callback(thread, tick, PREOP_INIT if phase == PRE else POSTOP_INIT, entered, b"")
        return entered

    def _leave(self, thread: Thread, tick: int, entered: _Entered) -> None:
        opcode = PREOP_COMPLETION if entered.phase == PRE else POSTOP_COMPLETION
        self._callback(thread, tick, opcode, entered, struct.pack("<Q", entered.tick))

    def _callback(self, thread: Thread, tick: int, opcode: int, entered: _Entered, head: bytes) -> None:
        io = entered.io
        routine = self._images.callback(entered.driver, io.major, entered.phase != PRE)
        file = io.file.pointer if io.file else 0
        pointers = (routine, file, entered.stream, io.irp, io.cbd)
        payload = head + struct.pack(f"<5{self._pointer}I", *pointers, io.major)
        self._system(thread, tick, FILE_IO, opcode, _FLTIO_VERSION, payload)

    def _is_relay(self, thread: Thread) -> bool:
        return (thread.pid, thread.tid) == self._relay

    def _meet(self, thread: Thread, tick: int) -> None:
        """Write that a thread has started, the first time it is seen."""
        key = (thread.pid, thread.tid)
        if key in self._threads:
            return
        self._threads[key] = None
        if self._session.admits(thread.cpu):
            payload = self._thread(*key)
            self._put(thread.cpu, tick, THREAD, START, _THREAD_VERSION, payload, *key)

    def _run_down(self, tick: int, opcode: int) -> None:
        """Write all processes, threads and images."""
        processes = dict.fromkeys(pid for pid, _ in self._threads)
        for at, pid in enumerate(processes):
            self._logger(tick, PROCESS, opcode, _PROCESS_VERSION, self._process(pid, at))
        for pid, tid in self._threads:
            self._logger(tick, THREAD, opcode, _THREAD_VERSION, self._thread(pid, tid))
        for image in self._loaded.values():
            self._logger(tick, IMAGE, opcode, _IMAGE_VERSION, self._image(image))

    def _logger(self, tick: int, group: int, opcode: int, version: int, payload: bytes) -> None:
        if self._session.admits(0):
            self._put(0, tick, group, opcode, version, payload, *_LOGGER)

    def _system(
        self, thread: Thread, tick: int, group: int, opcode: int, version: int, payload: bytes
    ) -> None:
        self._meet(thread, tick)
        if self._session.admits(thread.cpu):
            self._put(thread.cpu, tick, group, opcode, version, payload, thread.pid, thread.tid)

    def _put(
        self, cpu: int, tick: int, group: int, opcode: int, version: int, payload: bytes, pid: int, tid: int
    ) -> None:
        self._writer.system(
            cpu, tick, group=group, opcode=opcode, pid=pid, tid=tid, payload=payload, version=version
        )

    def _process(self, pid: int, at: int) -> bytes:
        """Lay out Process_V4_TypeGroup1."""
        pointer, key = self._pointer, _IRPS[self._size] + 0x80_0000 + at * 0x1000
        name = {0: "Idle", 4: "System"}.get(pid, _PROGRAMS[at % len(_PROGRAMS)])
        if self._relay and pid == self._relay[0]:
            name = _RELAY_PROGRAM
        session, parent = (0, 0) if pid <= 4 else (1, 4)
        table = 0x1AD000 + at * 0x1000
        head = struct.pack(f"<{pointer}IIII{pointer}I", key, pid, parent, session, 0x103, table, 0)
        user = struct.pack(f"<{pointer}{pointer}", key + 0x100, 0) + _SYSTEM_SID
        command = (name if pid > 4 else "").encode("utf-16-le") + b"\0\0"
        return head + user + name.encode() + b"\0" + command + bytes(4)

    def _thread(self, pid: int, tid: int) -> bytes:
        """Lay out Thread_V3_TypeGroup1."""
        top = _STACKS[self._size] + tid * 0x8000
        start = self._images.kernel.return_address("PspSystemThreadStartup")
        head = struct.pack("<II", pid, tid)
        head += struct.pack(f"<7{self._pointer}", top + 0x6000, top, 0, 0, 0xFF, start, 0)
        return head + struct.pack("<IBBBB", 0, 8, 5, 2, 0) + b"\0\0"

    def _image(self, image: Image) -> bytes:
        """Lay out Image_V3: a driver's image belongs to no process."""
        pointer = self._pointer
        head = struct.pack(f"<{pointer}{pointer}", image.base, image.size)
        head += struct.pack("<III4x", 0, image.checksum, image.stamp)
        head += struct.pack(f"<{pointer}16x", image.base)
        return head + image.path.encode("utf-16-le") + b"\0\0"


def _is_in(entered: _Entered, driver: str, major: int, phase: int) -> bool:
    """Tell whether a call at a position is made in a running callback."""
    return (entered.driver, entered.io.major, entered.phase == PRE) == (driver, major, phase == PRE)
