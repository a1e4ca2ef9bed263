"""The form of a fault that can be injected: a rule, ways to break it, and what then holds as well."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracecheck.simulate.faults.injection import Injection


Script = Callable[["Injection"], Generator[int, None, None]]


@dataclass(frozen=True)
class Way:
    """One way to break a rule.

    Attributes:
        script: What the driver does.
        also: Other rules that hold for it, whatever the end of the capture.
        noted: Whether it is but noted, although the rule is about errors or warnings: the call was refused.
    """

    script: Script
    also: tuple[str, ...] = ()
    noted: bool = False


@dataclass(frozen=True)
class Rule:
    """A rule that can be broken.

    Attributes:
        text: What goes wrong, in a line.
        ways: Variant -> the way; the first one is the usual one.
        leak: Whether a reference stays out.
        loaded: Whether it needs a run at whose end the driver is still loaded.
        unloaded: Whether it needs a run that unloads the driver.
        legacy: Whether it is a fault of a legacy filter.
    """

    text: str
    ways: dict[str, Way] = field(default_factory=dict)
    leak: bool = False
    loaded: bool = False
    unloaded: bool = False
    legacy: bool = False

    def extended(self, ways: dict[str, Way]) -> Rule:
        """Give the same rule with more ways to break it."""
        return replace(self, ways={**self.ways, **ways})
