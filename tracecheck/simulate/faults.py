"""The faults that can be injected: rule, ways to break it, and the rules that then hold as well."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

from tracecheck.simulate import leaks, misuse
from tracecheck.simulate.injection import Injection

Script = Callable[[Injection], Generator[int, None, None]]


@dataclass(frozen=True)
class Way:
    """One way to break a rule.

    Attributes:
        script: What the driver does.
        also: Other rules that hold for it, whatever the end of the capture.
    """

    script: Script
    also: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rule:
    """A rule that can be broken.

    Attributes:
        text: What goes wrong, in a line.
        ways: Variant -> the way; the first one is the usual one.
        leak: Whether a reference stays out.
    """

    text: str
    ways: dict[str, Way] = field(default_factory=dict)
    leak: bool = False


#: Code -> the rule. M01 has no script: it comes with the condition late-start.
FAULTS = {
    "L01": Rule(
        "a reference is out when the filter is unloaded",
        {
            "allocation": Way(leaks.allocation, ("L04",)),
            "reference": Way(leaks.reference, ("L10", "L09")),
            "kept": Way(leaks.kept, ("L06",)),
            "replaced": Way(leaks.replaced, ("L07",)),
            "orphan": Way(leaks.orphan, ("L13", "L16")),
            "member": Way(leaks.member, ("L12", "L09")),
            "detached": Way(leaks.detached, ("L08",)),
            "deleted": Way(leaks.deleted, ("L11", "L09")),
            "section": Way(leaks.section, ("X04", "L04")),
        },
        leak=True,
    ),
    "L02": Rule(
        "a reference is out when its object goes away",
        {
            "instance": Way(leaks.after_instance, ("L09",)),
            "stream": Way(leaks.after_stream, ("L10", "L09")),
            "handle": Way(leaks.after_handle, ("L09",)),
        },
        leak=True,
    ),
    "L03": Rule(
        "a reference is still out at the end of the capture",
        {
            "allocation": Way(leaks.allocation, ("L04",)),
            "get": Way(leaks.got_stream, ("L09",)),
            "reference": Way(leaks.reference, ("L10", "L09")),
            "kept": Way(leaks.kept, ("L06",)),
        },
        leak=True,
    ),
    "L09": Rule(
        "a path returns without releasing what FltGetXxxContext gave",
        {
            "stream": Way(leaks.got_stream),
            "handle": Way(leaks.got_handle),
            "instance": Way(leaks.got_instance),
            "volume": Way(leaks.got_volume),
            "shared": Way(leaks.shared),
        },
        leak=True,
    ),
    "R01": Rule(
        "a release too many while the object still holds the context",
        {
            "get": Way(misuse.release_twice),
            "set": Way(misuse.release_for_set),
        },
    ),
    "R02": Rule(
        "a release of a freed context",
        {
            "orphan": Way(misuse.release_orphan),
            "deleted": Way(misuse.release_deleted),
        },
    ),
    "R03": Rule("a reference on a freed context", {"work": Way(misuse.reference_freed, ("R02", "R05"))}),
    "R04": Rule(
        "a freed context is set, deleted or used",
        {
            "set": Way(misuse.set_freed, ("R05",)),
            "delete": Way(misuse.delete_deleted, ("R05",)),
            "use": Way(misuse.use_deleted, ("R05",)),
        },
    ),
    "R05": Rule(
        "a context is used after the own last release",
        {
            "delete": Way(misuse.delete_released, ("D01",)),
            "reference": Way(misuse.reference_released),
            "use": Way(misuse.use_released),
        },
    ),
    "M01": Rule("contexts are older than the capture"),
    "M04": Rule(
        "the trace contradicts itself",
        {
            "unhooked": Way(misuse.unhooked, ("A12",)),
            "lost": Way(misuse.lost, ("A12",)),
        },
    ),
}


def alternatives(rule: str, way: Way, unload: bool) -> tuple[str, ...]:
    """Name the other rules that hold for a fault; a leak's depend on how the capture ends."""
    ends = ("L01", "L02") if unload else ("L02", "L03")
    found = (*way.also, *(ends if FAULTS[rule].leak else ()))
    return tuple(dict.fromkeys(code for code in found if code != rule))
