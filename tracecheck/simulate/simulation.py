"""One simulated run: the parts put together, played, and taken down."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tracecheck.etl.writer import LogWriter
from tracecheck.simulate.calls import Calls
from tracecheck.simulate.conditions import (
    EVIDENCE,
    RELAY_IDS,
    START_TICK,
    START_TIME,
    HostileSession,
    Session,
    draw_skews,
    ranges,
)
from tracecheck.simulate.driver import NAMES, Driver
from tracecheck.simulate.events import EventLog
from tracecheck.simulate.faults import FAULT_SITES, FAULTS, LEGACY_FAULT_SITES, Injection, alternatives
from tracecheck.simulate.fltmgr import FilterManager
from tracecheck.simulate.forms import FORMS, TextForm, TextLog, check_form
from tracecheck.simulate.forms.shape import Style
from tracecheck.simulate.images import Images
from tracecheck.simulate.kernel import Kernel
from tracecheck.simulate.legacy.driver import LegacyDriver
from tracecheck.simulate.legacy.routines import PerStreamCalls
from tracecheck.simulate.legacy.sites import LEGACY_ROUTINES
from tracecheck.simulate.machine import FREQUENCY, Machine, Thread
from tracecheck.simulate.noise import EventNoise, text_noise
from tracecheck.simulate.objects import AddressSpace, Filter
from tracecheck.simulate.sites import ROUTINES
from tracecheck.simulate.truth import Truth, blocks_of, count_types, lives_of, see
from tracecheck.simulate.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tracecheck.simulate.forms import FormKind
    from tracecheck.simulate.forms.shape import Form, Output
    from tracecheck.simulate.machine import Steps
    from tracecheck.simulate.noise import Noise
    from tracecheck.simulate.scenario import Fault, Scenario
    from tracecheck.simulate.sites import Site

_LOADER = (4, 0x98)
_MANAGER = (4, 0xA4)
_FIRST_PROCESS = 0xC28
_BYTES_OF_KERNEL_EVENTS = 190  # that come with an event, where they are logged
_SILENT_FUNCTIONS = ("PreRead", "PostRead", "ScanWorker")
_FIRST_FAULT, _LAST_FAULT = 0.25, 0.65
_DETACH_AT = 0.5
_DETACHING = ("L02", "E03")  # faults that detach an instance themselves
_SHORTEST_PATIENCE = 20_000
_LEGACY = 0.5  # how often a legacy filter does something, where a fault needs one
_CAPTURE_RULES = {
    "late": ("M01", "M04"),
    "lost": ("M01", "M04"),
    "partial": ("M03", "M04"),
    "unordered": ("M01", "M04"),
}


@dataclass(frozen=True)
class Simulation:
    """A run that is over.

    Attributes:
        writer: Holds the capture.
        truth: What the capture must give.
        beside: What a reader needs beside the capture: the text of a TMF file or a manifest, or "".
        ending: The ending of that file's name.
    """

    writer: Output
    truth: Truth
    beside: str = ""
    ending: str = ""

    @property
    def data(self) -> bytes:
        """The bytes of the capture."""
        return self.writer.to_bytes()

    def write(self, path: Path | str) -> list[Path]:
        """Write the capture at ``path`` and beside it what a reader needs; give the files written."""
        written = [Path(path)]
        self.writer.write(path)
        if self.beside:
            other = written[0].with_suffix(self.ending)
            # A capture that has this ending itself keeps its name.
            written.append(other if other != written[0] else Path(f"{path}{self.ending}"))
            written[1].write_text(self.beside, encoding="utf-8", newline="\n")
        return written


def simulate(scenario: Scenario, form: str = "tracelogging", *, kernel_events: bool = False) -> Simulation:
    """Run a machine on which drivers use contexts, and capture what they log.

    Args:
        scenario: What is to happen.
        form: What the capture is, a key of :data:`tracecheck.simulate.forms.FORMS`. The run is the same
            in every form, and so is its truth.
        kernel_events: Log the kernel's events too: processes, threads, images, minifilter callbacks and
            the stack of every event of the drivers.

    Returns:
        The capture and the truth about it. The same arguments give the same bytes.

    Raises:
        UsageError: The parts of the scenario do not fit each other, or not the form.
    """
    scenario.check()
    check_form(form, scenario.conditions, scenario.compressed, kernel_events)
    return _Run(_settle(scenario), FORMS[form], kernel_events).play()


def _settle(scenario: Scenario) -> Scenario:
    """Fill in what one part of a scenario says about another."""
    conditions = scenario.conditions
    if any(fault.rule == "M01" for fault in scenario.faults):
        conditions |= {"late-start"}
    nested = scenario.unload if scenario.nested is None else scenario.nested
    if not scenario.mix.legacy and any(FAULTS[fault.rule].legacy for fault in scenario.faults):
        scenario = replace(scenario, mix=replace(scenario.mix, legacy=_LEGACY))
    return replace(
        scenario,
        conditions=conditions,
        begin=scenario.begin and "no-begin" not in conditions,
        sequence=scenario.sequence and "no-sequence" not in conditions,
        mix=scenario.mix if nested else replace(scenario.mix, nested=0.0),
        nested=nested,
    )


class _Run:
    """The parts of one run, and the script that ties them together."""

    def __init__(self, scenario: Scenario, kind: FormKind, kernel_events: bool) -> None:
        self.scenario = scenario
        self.kind = kind
        self.machine = Machine(
            scenario.processors, scenario.seed, START_TICK, long_stalls="stalls" in scenario.conditions
        )
        style = _style(scenario, kind)
        self.writer, self.form, noise = _make_output(scenario, kind, style, kernel_events)
        self.session = (
            HostileSession(self.machine, self.writer, scenario, noise)
            if scenario.conditions
            else Session(self.machine, self.writer)
        )
        self.log = EventLog(self.machine, self.session, self.form, style, draw_skews(scenario))
        self.log.limit = scenario.operations if scenario.cut else 0
        space = AddressSpace(scenario.pointer_size, self.machine.below(256), scenario.reuse)
        self.manager = FilterManager(space)
        self.world = World(scenario, self.machine, self.manager, self.log, space)
        if scenario.mix.legacy:
            self.world.legacy = self._make_legacy(space)
        filters = space.lookaside(0x2B0)
        for name in NAMES[: scenario.drivers]:
            self.world.drivers.append(self._make_driver(name, Filter(filters.take(), self.world.serial())))
        cpus, count = scenario.processors, scenario.threads
        self._apps = [
            Thread(_FIRST_PROCESS + i // 2 * 0x14C, 0x1A40 + i * 0x3C, i % cpus) for i in range(count)
        ]
        if kernel_events:
            self._watch()
        self._faults = _schedule(scenario)
        self._injections: list[Injection] = []
        self._busy = 0
        self._unload = ""
        self._ending = False
        self._detach_at = int(scenario.operations * _DETACH_AT) if self._may_detach() else 0

    def play(self) -> Simulation:
        loader = Thread(*_LOADER, 0)
        self.log.start(loader, NAMES[0], self._coverage())
        self.machine.run(loader, self._load(loader))
        self.machine.play()
        self.session.finish()
        return Simulation(self.writer, self._truth(), self.form.beside(), self.kind.beside)

    def _watch(self) -> None:
        """Log the kernel's events."""
        scenario, writer = self.scenario, self.writer
        assert isinstance(writer, LogWriter)
        there = [*self.world.system_threads(), *self._apps]
        ids = [(0, 0), _LOADER, _MANAGER, *((thread.pid, thread.tid) for thread in there)]
        self.session.kernel = self.world.kernel = Kernel(
            self.machine,
            self.session,
            writer,
            Images(scenario.pointer_size, NAMES[: scenario.drivers]),
            ids,
            RELAY_IDS if "relay" in scenario.conditions else None,
            scenario.pointer_size,
        )

    def _load(self, loader: Thread) -> Steps[None]:
        for driver in self.world.drivers:
            if self.world.kernel is not None:
                self.world.kernel.load(loader, driver.calls.driver)
            yield from driver.load(loader)
            yield 500
        self.world.start(self._apps, self._between)

    def _between(self, thread: Thread) -> Steps[None]:
        """What a thread does before it opens its next file: whatever is due."""
        count = self.log.count
        if self._faults and not self._busy and count >= self._faults[0][0]:
            self._busy += 1
            yield from self._inject(thread, self._faults.pop(0)[1])
            self._busy -= 1
        if 0 < self._detach_at <= count and not self._busy:
            self._detach_at = 0
            self._busy += 1
            manager = Thread(*_MANAGER, thread.cpu)
            self.machine.run(manager, self._detach(manager))
        if count >= self.scenario.operations and not self._ending and self._is_settled():
            self._ending = self.world.closing = True
            manager = Thread(*_LOADER, thread.cpu)
            if self.scenario.unload:
                self.machine.run(manager, self._unload_all(manager), 200)

    def _inject(self, thread: Thread, fault: Fault) -> Steps[None]:
        rule = FAULTS[fault.rule]
        variant = fault.variant or next(iter(rule.ways))
        way = rule.ways[variant]
        driver = self.world.drivers[len(self._injections) % len(self.world.drivers)]
        also = alternatives(fault.rule, way, self.scenario.unload)
        injection = Injection(self.world, driver, thread, fault.rule, variant, also)
        self._injections.append(injection)
        yield from way.script(injection)

    def _detach(self, manager: Thread) -> Steps[None]:
        """An instance of every driver is detached, and attached again a little later."""
        volume = self.world.volumes[1]
        for driver in self.world.drivers:
            instance = driver.instance_on(volume)
            if instance is not None:
                yield from driver.detach(manager, instance)
        yield 3000
        for driver in self.world.drivers:
            yield from driver.attach(manager, volume)
        self._busy -= 1

    def _unload_all(self, manager: Thread) -> Steps[None]:
        """Unload one driver after the other, while the last files are still open."""
        if self.world.legacy is not None:
            yield from self.world.legacy.unload(manager)
        for driver in self.world.drivers:
            returned = yield from driver.unload(manager)
            if returned and self.world.kernel is not None:
                self.world.kernel.unload(manager, driver.calls.driver)
            hung = not returned or self._unload == "hung"
            self._unload = "hung" if hung else "returned"
            # The thread of a hanging unload is stuck in it; somebody else unloads the next driver.
            manager = manager if returned else Thread(manager.pid, manager.tid + 4, manager.cpu)

    def _is_settled(self) -> bool:
        made = all(injection.found for injection in self._injections)
        return made and not self._faults and not self._busy

    def _may_detach(self) -> bool:
        return self.scenario.detach and all(fault.rule not in _DETACHING for fault in self.scenario.faults)

    def _make_driver(self, name: str, flt: Filter) -> Driver:
        scenario = self.scenario
        calls = Calls(
            self.machine,
            self.manager,
            self.log,
            flt,
            name,
            sites=FAULT_SITES,
            shortage=scenario.mix.shortage,
            silent=self._is_silent,
        )
        calls.undertaker = self.world.worker()
        return Driver(self.world, calls, flt, scenario.mix, _patience(scenario))

    def _make_legacy(self, space: AddressSpace) -> LegacyDriver:
        calls = PerStreamCalls(
            self.machine, self.log, space, sites=LEGACY_FAULT_SITES, silent=self._is_silent
        )
        return LegacyDriver(calls, self.scenario.mix)

    def _is_silent(self, site: Site) -> bool:
        """Whether a call site logs nothing, because the capture's coverage is partial."""
        if site.routine in LEGACY_ROUTINES:
            return site.routine in self._unlogged()
        if site.routine == "FltReleaseContext":
            return "partial" in self.scenario.conditions and site.function in _SILENT_FUNCTIONS
        return site.routine == "ContextCleanup" and "no-cleanup" in self.scenario.conditions

    def _coverage(self) -> str | None:
        gone = self._unlogged()
        every = sorted({*ROUTINES, *LEGACY_ROUTINES}) if self.world.legacy else ROUTINES
        return " ".join(name for name in every if name not in gone) if gone else None

    def _unlogged(self) -> set[str]:
        """Name the routines that are not logged completely."""
        missing = {
            "partial": ("FltReleaseContext", "ExFreePoolWithTag"),
            "no-cleanup": ("ContextCleanup", "FreePerStreamContext"),
        }
        return {one for name, gone in missing.items() if name in self.scenario.conditions for one in gone}

    def _truth(self) -> Truth:
        scenario, contexts = self.scenario, self.manager.contexts
        evidence = self._evidence()
        missing = {number for numbers in self.session.lost.values() for number in numbers}
        lives = lives_of(contexts, missing)
        made = [injection.found for injection in self._injections if injection.found]
        described = asdict(scenario) | {"conditions": sorted(scenario.conditions), "mix": scenario.mix.told()}
        blocks = self.world.legacy.calls.blocks if self.world.legacy else []
        return Truth(
            scenario=described,
            events=self.session.written,
            logged=self.log.count,
            evidence=evidence,
            capture_rules=_CAPTURE_RULES.get(evidence, ()),
            unload=self._unload,
            faults=tuple(see(fault, (*lives, *blocks_of(blocks, missing)), missing) for fault in made),
            lost={why: ranges(numbers) for why, numbers in self.session.lost.items()},
            contexts=len(contexts),
            types=count_types(contexts),
            lives=lives,
            blocks=blocks_of(blocks, missing),
        )

    def _evidence(self) -> str:
        found = {EVIDENCE[name] for name in self.scenario.conditions if name in EVIDENCE}
        if any(fault.rule in ("A12", "M04") for fault in self.scenario.faults):
            found.add("lost")
        return next((word for word in ("late", "lost", "partial", "unordered") if word in found), "complete")


def _make_output(
    scenario: Scenario, kind: FormKind, style: Style, kernel_events: bool
) -> tuple[Output, Form, Callable[[Callable[[], float]], Noise]]:
    """Make the file, the form that writes to it, and what makes the noise in it."""
    if kind.is_etl:
        size = kind.event_size + _BYTES_OF_KERNEL_EVENTS * kernel_events
        writer = _make_writer(scenario, size)
        form = kind.make(writer, style)
        return writer, form, lambda draw: EventNoise(writer, draw, scenario.pointer_size)
    return _make_text(kind, style)


def _make_text(kind: FormKind, style: Style) -> tuple[Output, Form, Callable[[Callable[[], float]], Noise]]:
    cls = kind.make
    assert isinstance(cls, type)
    assert issubclass(cls, TextForm)
    log = TextLog(cls.line_end, cls.head)
    form = cls(log, style)
    return log, form, lambda draw: text_noise(form, draw)


def _make_writer(scenario: Scenario, event_size: int) -> LogWriter:
    needed = scenario.operations * event_size // scenario.buffer_size
    circular = scenario.max_buffers or max(scenario.processors + 1, needed // 2)
    return LogWriter(
        buffer_size=scenario.buffer_size,
        processors=scenario.processors,
        pointer_size=scenario.pointer_size,
        start_time=START_TIME,
        start_tick=START_TICK,
        logger_name="FilterContexts",
        compressed=scenario.compressed,
        max_buffers=circular if "circular" in scenario.conditions else None,
    )


def _style(scenario: Scenario, kind: FormKind) -> Style:
    return Style(
        pointer_size=scenario.pointer_size,
        begin=scenario.begin and kind.begins,
        sequence=scenario.sequence and kind.numbers,
        lean="lean" in scenario.conditions,
        wide="wide" in scenario.conditions,
        relay="relay" in scenario.conditions,
        races="sequence-races" in scenario.conditions,
    )


def _patience(scenario: Scenario) -> int:
    """Give the ticks that a driver puts work off: a twentieth of the run."""
    return int(scenario.duration * FREQUENCY) // 20 or _SHORTEST_PATIENCE


def _schedule(scenario: Scenario) -> list[tuple[int, Fault]]:
    """Give each fault the number of the event after which it is due."""
    wanted = [fault for fault in scenario.faults if FAULTS[fault.rule].ways for _ in range(fault.occurrences)]
    span = _LAST_FAULT - _FIRST_FAULT
    due = []
    for index, fault in enumerate(wanted):
        at = _FIRST_FAULT + span * index / len(wanted) if fault.at is None else fault.at
        due.append((int(at * scenario.operations), fault))
    return sorted(due, key=lambda entry: entry[0])
