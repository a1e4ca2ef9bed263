"""What is to be simulated."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from tracecheck.errors import UsageError
from tracecheck.simulate.callbacks import BEHAVIOURS
from tracecheck.simulate.conditions import CONDITIONS
from tracecheck.simulate.faults import FAULTS

_LEAST_OPERATIONS = 100
_LEAST_BUFFER = 4096


@dataclass(frozen=True)
class Mix:
    """What the simulated drivers do, and how often.

    The first group are chances in [0, 1]; the second are weights of what happens to an open file.

    Attributes:
        handles: An open gets a stream handle context.
        files: An open gets a file context.
        transactions: An open is in a transaction.
        failures: A create fails below the driver.
        shortage: An allocation fails.
        dispatch: An I/O completes at DISPATCH_LEVEL, in whatever thread is running.
        uses: The driver logs that it touches a context.
        nested: A stream context keeps a reference on the instance context until its cleanup.
        paging: An open is of a paging file.
        network: An open comes after a network query open.
        early: Pre-create gets the instance's context, and that of another stream by a file that it opens.
        late: Pre-close passes a context to post-close, which releases it.
        inits: The driver logs that it touches a context before it sets it.
        legacy: A legacy filter gives a stream a per-stream context when it is opened, and looks it up in I/O.
        read: Get in pre-read, release there or in post-read.
        write: Get in pre-write, release in post-write.
        query: Get the stream handle context or the file context.
        related: FltGetContexts(Ex).
        control: Get the instance's and the volume's context.
        scan: A section context, from allocation to release.
        work: A reference for a work item.
        dirty: A reference for a list that a thread empties later.
        reset: FltSetStreamContext, replacing what is there.
        drop: FltDeleteContext and FltDeleteXxxContext.
    """

    handles: float = 0.5
    files: float = 0.25
    transactions: float = 0.06
    failures: float = 0.05
    shortage: float = 0.004
    dispatch: float = 0.4
    uses: float = 0.15
    nested: float = 0.3
    paging: float = 0.01
    network: float = 0.0
    early: float = 0.0
    late: float = 0.0
    inits: float = 0.0
    legacy: float = 0.0
    read: int = 30
    write: int = 24
    query: int = 10
    related: int = 8
    control: int = 6
    scan: int = 6
    work: int = 10
    dirty: int = 5
    reset: int = 4
    drop: int = 5

    def told(self) -> dict[str, float]:
        """Give its numbers by name, without those of behaviours that are unusual and not wanted."""
        usual = {one.name: one.default for one in fields(self)}
        return {name: value for name, value in vars(self).items() if value or usual[name]}

    def is_sound(self) -> bool:
        """Tell whether chances are chances, weights are weights, and there is something to do."""
        chances = [value for name, value in vars(self).items() if name not in BEHAVIOURS]
        weights = [value for name, value in vars(self).items() if name in BEHAVIOURS]
        sound = all(0 <= chance <= 1 for chance in chances) and min(weights) >= 0 < sum(weights)
        return sound and self.shortage < 1 and self.failures < 1


@dataclass(frozen=True)
class Fault:
    """A fault to inject.

    Attributes:
        rule: A code of the rulebook, a key of :data:`tracecheck.simulate.faults.FAULTS`.
        variant: Which of the rule's ways to go wrong; "" for the usual one.
        at: When: a fraction of the run's operations; None spreads the faults over the middle.
        occurrences: How many times.
    """

    rule: str
    variant: str = ""
    at: float | None = None
    occurrences: int = 1


@dataclass(frozen=True)
class Scenario:
    """A run of a simulated machine.

    Attributes:
        seed: The same scenario with the same seed gives the same bytes.
        operations: About how many events are logged.
        duration: Seconds that the run takes on the machine's clock: work comes in bursts. 0 for no pauses.
        processors: How many processors.
        threads: How many threads open files.
        drivers: How many drivers (1 to 3) log to the capture.
        mix: What they do.
        faults: What goes wrong.
        conditions: What befalls the capture, keys of :data:`tracecheck.simulate.conditions.CONDITIONS`.
        begin: Log when calls started.
        sequence: Number the events.
        pointer_size: 4 or 8.
        compressed: Store compressed buffers.
        buffer_size: Bytes of a buffer.
        max_buffers: Buffers that a circular log keeps; 0 for about half of what the run needs.
        unload: The drivers are unloaded at the end; otherwise the capture stops with them loaded.
        returns: FltUnregisterFilter returns although references are outstanding; otherwise it hangs.
        cut: The capture stops in the middle of everything.
        detach: An instance is detached in the middle of the run, and attached again.
        reuse: Freed addresses are handed out again, the last one first.
        nested: Stream contexts keep references on instance contexts, as the mix says; None: only where an
            unload ends them all, since a capture that stops before shows them as references still out.
        bugcheck: A release too many stops the machine, as the filter manager does.
    """

    seed: int = 1
    operations: int = 1000
    duration: float = 10.0
    processors: int = 4
    threads: int = 6
    drivers: int = 1
    mix: Mix = field(default_factory=Mix)
    faults: tuple[Fault, ...] = ()
    conditions: frozenset[str] = frozenset()
    begin: bool = True
    sequence: bool = True
    pointer_size: int = 8
    compressed: bool = False
    buffer_size: int = 16384
    max_buffers: int = 0
    unload: bool = True
    returns: bool = False
    cut: bool = False
    detach: bool = True
    reuse: bool = True
    nested: bool | None = None
    bugcheck: bool = False

    def check(self) -> None:
        """Check that the parts fit each other.

        Raises:
            UsageError: They do not; the text says why.
        """
        for wrong, why in self._objections():
            if wrong:
                raise UsageError(why)

    def _objections(self) -> list[tuple[bool, str]]:
        rules = {fault.rule for fault in self.faults}
        strange = sorted(self.conditions - set(CONDITIONS)) + sorted(rules - set(FAULTS))
        variants = [
            f for f in self.faults if f.rule in FAULTS and f.variant not in ("", *FAULTS[f.rule].ways)
        ]
        known = sorted(rules & set(FAULTS))
        loaded = [code for code in known if FAULTS[code].loaded]
        unloaded = [code for code in known if FAULTS[code].unloaded]
        return [
            (bool(strange), f"no such fault or condition: {', '.join(strange)}"),
            (bool(variants), f"no such variant: {', '.join(f'{f.rule}:{f.variant}' for f in variants)}"),
            (self.operations < _LEAST_OPERATIONS, f"a run has at least {_LEAST_OPERATIONS} operations"),
            (self.buffer_size < _LEAST_BUFFER, f"a buffer has at least {_LEAST_BUFFER} bytes"),
            (self.pointer_size not in (4, 8), "pointers have 4 or 8 bytes"),
            (not 1 <= self.processors <= 64, "there are 1 to 64 processors"),
            (not 1 <= self.threads <= 256, "there are 1 to 256 threads"),
            (not 1 <= self.drivers <= 3, "there are 1 to 3 drivers"),
            (not self.mix.is_sound(), "the mix has chances that are none, or nothing to do"),
            (self.duration < 0, "time does not run backwards"),
            (self.unload and bool(loaded), f"{', '.join(loaded)}: needs a run without unload"),
            (not self.unload and bool(unloaded), f"{', '.join(unloaded)}: needs a run with an unload"),
            (self.unload and self.cut, "a capture that is cut off has no unload"),
            (
                self.compressed and "circular" in self.conditions,
                "a compressed log cannot be circular: its buffers differ in size",
            ),
        ]
