"""The faults that can be injected, a module for each family of rules."""

from tracecheck.simulate.faults import (
    allocation,
    cleanups,
    culprits,
    deletes,
    gets,
    irql,
    leak_causes,
    leaks,
    legacy,
    misuse,
    over_releases,
    positions,
    registration,
    sections,
    sets,
    teardown,
)
from tracecheck.simulate.faults.form import Rule, Way
from tracecheck.simulate.faults.injection import Injection
from tracecheck.simulate.sites import Site

__all__ = ["FAULTS", "FAULT_SITES", "LEGACY_FAULT_SITES", "Injection", "Rule", "Way", "alternatives"]

#: Code -> the rule that can be broken.
FAULTS: dict[str, Rule] = {
    **leaks.FAULTS,
    **leak_causes.FAULTS,
    **teardown.FAULTS,
    **misuse.FAULTS,
    **over_releases.FAULTS,
    **sets.FAULTS,
    **gets.FAULTS,
    **deletes.FAULTS,
    **cleanups.FAULTS,
    **allocation.FAULTS,
    **registration.FAULTS,
    **irql.FAULTS,
    **positions.FAULTS,
    **sections.FAULTS,
    **legacy.FAULTS,
}
FAULTS |= {code: FAULTS[code].extended(ways) for code, ways in culprits.WAYS.items()}

#: The call sites of faulty code. A fault that only leaves a call out has none.
FAULT_SITES: dict[str, Site] = {
    **leak_causes.SITES,
    **teardown.SITES,
    **misuse.SITES,
    **over_releases.SITES,
    **sets.SITES,
    **gets.SITES,
    **deletes.SITES,
    **cleanups.SITES,
    **allocation.SITES,
    **irql.SITES,
    **positions.SITES,
    **sections.SITES,
    **culprits.SITES,
}

#: Those of a faulty legacy filter.
LEGACY_FAULT_SITES: dict[str, Site] = legacy.SITES


def alternatives(rule: str, way: Way, unload: bool) -> tuple[str, ...]:
    """Name the other rules that hold for a fault; a leak's depend on how the capture ends."""
    ends = ("L01", "L02") if unload else ("L02", "L03")
    found = (*way.also, *(ends if FAULTS[rule].leak else ()))
    return tuple(dict.fromkeys(code for code in found if code != rule))
