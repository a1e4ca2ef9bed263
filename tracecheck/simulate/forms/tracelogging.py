"""The form that carries everything: the canonical provider's own self-describing events."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.simulate import tracelogging
from tracecheck.simulate.forms.shape import Shape
from tracecheck.simulate.sites import field

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tracecheck.etl.writer import LogWriter
    from tracecheck.simulate.forms.shape import Style
    from tracecheck.simulate.machine import Thread
    from tracecheck.simulate.sites import Site

_LEVEL = 5  # WINEVENT_LEVEL_VERBOSE, what TraceLoggingWrite gives where nothing is said


class TraceLoggingForm:
    """Writes TraceLogging events of ``TraceCheck.FilterContexts``.

    Args:
        writer: Makes the file.
        style: What is logged and how.
    """

    def __init__(self, writer: LogWriter, style: Style) -> None:
        self._writer = writer
        self._style = style

    def shape(
        self,
        site: Site,
        driver: str,  # noqa: ARG002 - the provider is one for all drivers
        varying: Sequence[str],
        fixed: Mapping[str, int | str],
    ) -> Shape:
        """Settle what events of a call site look like."""
        changing = tuple(self._field(name) for name in varying)
        rest = [self._field(name) for name in fixed]
        items = tracelogging.items(site.routine, (*changing, *rest))
        event = self._writer.event

        def put(thread: Thread, tick: int, payload: bytes, number: int) -> None:  # noqa: ARG001
            event(
                thread.cpu,
                tick,
                pid=thread.pid,
                tid=thread.tid,
                provider=tracelogging.PROVIDER,
                level=_LEVEL,
                items=items,
                payload=payload,
            )

        tail = tracelogging.encode(rest, list(fixed.values()))
        return Shape(site, tracelogging.packer(changing), put, tail)

    def beside(self) -> str:
        """Give nothing: the events describe themselves."""
        return ""

    def _field(self, name: str) -> tracelogging.Field:
        return field(name, self._style.pointer_size, self._style.wide)
