"""How a life began and ended, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.reporters.common import clean, count, iso_time

if TYPE_CHECKING:
    from tracecheck.reporters.lookup import Row


def birth_text(context: Row) -> str:
    """Say when and where a context was allocated, as far as the capture saw it."""
    if context["birth"] != "allocated":
        return f"unknown, before the capture began; first seen {iso_time(context['first'])}"
    site = f" at {clean(context['site'])}" if context["site"] else ""
    return f"{iso_time(context['first'])}, allocated{site}"


def end_text(context: Row) -> str:
    """Say how a context ended, and how much was done with it until then."""
    peak = f"peak count {context['peak']}, {count(context['operations'], 'operation')}"
    if context["end"] == "freed":
        freed = context["last"] if context["freed"] is None else context["freed"]
        return f"{iso_time(freed)}, freed; {peak}"
    what = {
        "reused": "freed unseen: the pointer was allocated again",
        "attached": "still attached to its object, which holds the one reference",
        "held": f"held: {count(context['owned'], 'reference')} never released",
    }.get(context["end"], clean(context["end"]))
    return f"{what}; last seen {iso_time(context['last'])}; {peak}"
