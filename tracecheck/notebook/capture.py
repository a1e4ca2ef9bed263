"""A capture in a notebook: its tables, the timelines of its contexts, its plots."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from html import escape
from operator import index
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracecheck.capture import Analysis, Verdict, analyse
from tracecheck.commands.options import tracefmt_prefix
from tracecheck.commands.sources import Sources
from tracecheck.commands.timeline import find
from tracecheck.errors import UsageError
from tracecheck.notebook.lives import Timeline
from tracecheck.notebook.records import Records
from tracecheck.notebook.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from plotly.graph_objects import Figure

    Paths = str | PathLike[str] | Sequence[str | PathLike[str]]


@dataclass(frozen=True)
class Reading:
    """How captures are read: what the options of `tracecheck check` say, as plain values.

    Attributes:
        profiles: Names or files of profiles.
        tmf, pdb, symbols, manifest: Files and folders of definitions.
        input_form: What the captures are where that can't be told from them.
        prefix: The TRACE_FORMAT_PREFIX of text logs.
    """

    profiles: tuple[str, ...] = ()
    tmf: tuple[str, ...] = ()
    pdb: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    manifest: tuple[str, ...] = ()
    input_form: str = "auto"
    prefix: str = ""

    @classmethod
    def of(cls, input_form: str, prefix: str | None, **paths: Paths) -> Reading:
        """Make it of what the user gave: one path or several of each kind."""
        several = {name: listed(given) for name, given in paths.items()}
        return cls(**several, input_form=input_form, prefix=tracefmt_prefix() if prefix is None else prefix)

    def analyse(self, paths: Sequence[str]) -> Analysis:
        """Read, replay and judge the files of one capture."""
        named = (self.tmf, self.pdb, self.symbols, self.manifest)
        sources = Sources(*(tuple(map(Path, each)) for each in named))
        return analyse(
            paths, profiles=self.profiles, sources=sources, input_form=self.input_form, prefix=self.prefix
        )

    def to_json(self) -> dict[str, Any]:
        """Give it as another process can make it again: ``Reading(**of_json)``."""
        return asdict(self)


def listed(paths: Paths) -> tuple[str, ...]:
    """Give one path, or several, as a tuple of strings."""
    if isinstance(paths, str | PathLike):
        return (fspath(paths),)
    return tuple(fspath(path) for path in paths)


class Capture:
    """One capture. The files are opened at once; they are read and judged when that is first asked for.

    Args:
        paths: One .etl or text log, or several of one session.
        reading: How they are read.

    Attributes:
        paths: The files.
        records: Every record, streamed from the files.

    Raises:
        InputError: A file can't be read at all.
    """

    def __init__(self, paths: Sequence[str], reading: Reading) -> None:
        if not paths:
            raise UsageError("give the path of a capture, or of the files of one session")
        self.paths = tuple(paths)
        self._reading = reading
        self.records = Records(self.paths, reading.input_form, reading.prefix)

    @cached_property
    def analysis(self) -> Analysis:
        """What `tracecheck check` works on: all tables as pyarrow's, warnings and notes."""
        return self._reading.analyse(self.paths)

    @property
    def verdict(self) -> Verdict:
        """What the capture as a whole says: ``word``, ``reasons``, ``advice``, ``weaknesses``."""
        return self.analysis.verdict

    @property
    def operations(self) -> Table:
        """A row for each call or callback; :data:`tracecheck.operations.OPERATIONS`."""
        return Table(self.analysis.operations, "operations")

    @property
    def contexts(self) -> Table:
        """A row for each life of a context; :data:`tracecheck.replay.CONTEXTS`."""
        return Table(self.analysis.contexts, "contexts")

    @property
    def steps(self) -> Table:
        """A row for each effect of an operation on a context; :data:`tracecheck.replay.STEPS`."""
        return Table(self.analysis.steps, "steps")

    @property
    def losses(self) -> Table:
        """A row for each stretch in which events are missing; :data:`tracecheck.etl.LOSSES`."""
        return Table(self.analysis.losses, "losses")

    @property
    def findings(self) -> Table:
        """A row for each fault; :data:`tracecheck.rules.FINDINGS`."""
        return Table(self.analysis.findings, "findings")

    @cached_property
    def info(self) -> dict[str, Any]:
        """What `tracecheck info` counts, for each file under ``files``; sums and notes of them all."""
        found = self.analysis
        return {
            "files": [_survey(path, self._reading) for path in self.paths],
            "records": found.records,
            "operations": found.operations.num_rows,
            "contexts": found.contexts.num_rows,
            "profiles": list(found.profiles),
            "warnings": list(found.warnings),
            "notes": list(found.notes),
        }

    def timeline(self, what: object) -> Timeline:
        """Give the life of a context, to be shown, printed, or taken as a table.

        Args:
            what: A pointer as text (``"0xffffae0512340010"`` for all lives of it, ``"0x…#2"`` for the
                second), the id of a context, or a row of the findings or the contexts: a dict, or what
                pandas gives for a row.

        Raises:
            UsageError: There is no such context, or the finding is of the capture itself.
        """
        ids, marked = self._asked(what)
        return Timeline(self.analysis, ids, marked)

    def plot_live(self) -> Figure:
        """Draw how many contexts of each type were alive over time.

        Raises:
            MissingExtraError: plotly is not installed.
        """
        from tracecheck.notebook.plots import plot_live

        return plot_live(self.analysis.contexts)

    def plot_lifetimes(self) -> Figure:
        """Draw how long the contexts of each type lived, of those that were seen to be born and freed.

        Raises:
            MissingExtraError: plotly is not installed.
        """
        from tracecheck.notebook.plots import plot_lifetimes

        return plot_lifetimes(self.analysis.contexts)

    def _asked(self, what: object) -> tuple[list[int], dict[int, str]]:
        """Give the lives that are asked for, and the operations to be marked beside the faults."""
        if isinstance(what, str):
            return find(self.analysis.contexts, *_pointer(what)), {}
        row = _row(what)
        if row is None:
            return [self._known(what)], {}
        if "rule" not in row:
            return [self._known(row.get("id"))], {}
        if not hasattr(row.get("context_id"), "__index__"):
            raise UsageError(f"{row['rule']}: this finding is of the capture itself, and of no context")
        # The operation at fault comes first.
        proof = row.get("operations")
        marked = {} if proof is None else {int(number): str(row["rule"]) for number in proof[:1]}
        return [self._known(row["context_id"])], marked

    def _known(self, number: object) -> int:
        try:
            place = index(number)  # type: ignore[arg-type]
        except TypeError:
            raise UsageError(
                f"{number!r}: give a pointer as text, a context's id, or a row of findings or contexts"
            ) from None
        size = self.analysis.contexts.num_rows
        if not 0 <= place < size:
            raise UsageError(
                f"{place}: no context has this id, the capture has {size:,} contexts; a pointer is given "
                f"as text, '{max(place, 0):#x}'"
            )
        return place

    def __repr__(self) -> str:
        return f"<capture {', '.join(self.paths)}>"

    def _repr_html_(self) -> str:
        from tracecheck.reporters import text

        return f"<pre>{escape(''.join(text.render(self.analysis)))}</pre>"


def open(  # noqa: A001 - `tracecheck.open` is what a user looks for
    paths: Paths,
    *,
    profiles: Paths = (),
    tmf: Paths = (),
    pdb: Paths = (),
    symbols: Paths = (),
    manifest: Paths = (),
    input_form: str = "auto",
    prefix: str | None = None,
) -> Capture:
    """Open a capture.

    Args:
        paths: One .etl or text log, or a list of the files of one session.
        profiles: Names or files of profiles that say what the driver's own messages mean; "none" is none.
        tmf: TMF files, or folders of them, of WPP messages.
        pdb: PDBs or object files with WPP messages.
        symbols: Folders or stores of symbols.
        manifest: Instrumentation manifests, or folders of them.
        input_form: "auto", "etl", or the form of a text log: "tracefmt", "tracefmt-csv", "debugview",
            "kd", "text".
        prefix: The prefix that tracefmt put before messages; None for what TRACE_FORMAT_PREFIX says.

    Returns:
        The capture; nothing but the beginnings of the files is read yet.

    Raises:
        InputError: A file can't be read at all.
    """
    reading = Reading.of(
        input_form, prefix, profiles=profiles, tmf=tmf, pdb=pdb, symbols=symbols, manifest=manifest
    )
    return Capture(listed(paths), reading)


def _pointer(text: str) -> tuple[int, int | None]:
    digits, mark, generation = text.replace("`", "").partition("#")
    try:
        return int(digits, 16), int(generation) if mark else None
    except ValueError:
        raise UsageError(f"{text}: a context is a pointer such as 0xffffae0512340010 or 0x…#2") from None


def _row(what: object) -> Mapping[str, Any] | None:
    """Give a row of a table as a mapping, whatever made it; None for what is no row."""
    if isinstance(what, Mapping):
        return what
    for method in ("to_dict", "_asdict"):
        if hasattr(what, method):
            found: Mapping[str, Any] = getattr(what, method)()
            return found
    return None


def _survey(path: str, reading: Reading) -> dict[str, Any]:
    from tracecheck.payload.text import TextLog, open_capture
    from tracecheck.reporters import info, text_info

    with open_capture(path, reading.input_form, reading.prefix) as log:
        if isinstance(log, TextLog):
            from tracecheck.commands import text_log

            pieces = text_info.render_json(text_log.survey(log))
        else:
            from tracecheck.commands.survey import survey

            pieces = info.render_json(survey(path))
    found: dict[str, Any] = json.loads("".join(pieces))
    return found
