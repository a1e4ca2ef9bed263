"""One capture, read and judged: what every command works on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tracecheck.errors import UsageError
from tracecheck.etl import LOSSES, Log
from tracecheck.fltmgr import RELEASES
from tracecheck.operations import CanonicalReader, Coverage, assemble, refine_losses, shift_back
from tracecheck.operations.clocks import Clocks, align
from tracecheck.operations.marks import MARKS
from tracecheck.operations.others import Others, Sources
from tracecheck.operations.redact import Redaction, redact_paths, stand_ins
from tracecheck.operations.surroundings import Surroundings
from tracecheck.operations.text_quality import text_tolerance, weaknesses
from tracecheck.payload.text import TextLog, open_capture
from tracecheck.payload.text.timeline import STEP
from tracecheck.replay import TOLERANCE, Replay, replay
from tracecheck.replay.per_stream.tables import BLOCK_STEPS, BLOCKS
from tracecheck.rules import Judgement, judge
from tracecheck.rules.evidence import Evidence

# Payloads are decoded a schema at a time: large chunks have more events of each.
_CHUNK = 64 << 20
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Verdict:
    """What a capture as a whole says.

    Attributes:
        word: "findings", "clean" or "inconclusive".
        reasons: Why it is inconclusive, one sentence each.
        advice: What to capture next time, one sentence each.
        weaknesses: Why a clean capture is not clean for sure, one sentence each.
    """

    word: str
    reasons: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    weaknesses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Analysis:
    """Everything that `check` and `timeline` know of a capture.

    Attributes:
        paths: The files.
        operations: The operations table (:data:`tracecheck.operations.OPERATIONS`).
        contexts: The contexts table (:data:`tracecheck.replay.CONTEXTS`).
        steps: The steps table (:data:`tracecheck.replay.STEPS`).
        losses: The losses table (:data:`tracecheck.etl.LOSSES`).
        findings: The findings table (:data:`tracecheck.rules.FINDINGS`).
        verdict: The capture's verdict.
        records: How many records the files hold.
        warnings: What could not be read, a line each.
        profiles: The names of the profiles that were used.
        notes: What else there is to say of how it was read, a line each.
        marks: What the filter manager said of filters (:data:`tracecheck.operations.marks.MARKS`).
        redaction: What pointers and names were replaced by; None where they are as the trace has them.
        blocks: The blocks of legacy per-stream contexts (:data:`tracecheck.replay.per_stream.tables.BLOCKS`).
        block_steps: What was done with them (:data:`tracecheck.replay.per_stream.tables.BLOCK_STEPS`).
        coverage: What the capture declares to be logged completely.

    ``blame``, ``pairs`` and ``evidence`` are worked out when they are first asked for.
    """

    paths: tuple[str, ...]
    operations: pa.Table
    contexts: pa.Table
    steps: pa.Table
    losses: pa.Table
    findings: pa.Table
    verdict: Verdict
    records: int
    warnings: tuple[str, ...]
    profiles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    marks: pa.Table = field(default_factory=MARKS.empty_table)
    redaction: Redaction | None = None
    blocks: pa.Table = field(default_factory=BLOCKS.empty_table)
    block_steps: pa.Table = field(default_factory=BLOCK_STEPS.empty_table)
    coverage: Coverage = field(default_factory=lambda: Coverage(declared=False))

    def with_findings(self, findings: pa.Table) -> Analysis:
        """Give the analysis with other findings, some of its own, and the verdict that these give."""
        return replace(self, findings=findings, verdict=_word(findings, self.verdict, self.coverage))

    @cached_property
    def blame(self) -> pa.Table:
        """Who is to blame for each leak and over-release (:data:`tracecheck.blame.BLAME`)."""
        from tracecheck.blame import blame_all

        return blame_all(self.evidence, self.pairs, self.findings)

    @cached_property
    def pairs(self) -> pa.Table:
        """Which release answers which acquire (:data:`tracecheck.blame.PAIRS`)."""
        from tracecheck.blame import pair_all

        return pair_all(self.evidence)

    @cached_property
    def evidence(self) -> Evidence:
        """The tables as arrays, as rules see them; what only weakens verdicts is not in it."""
        nobody: frozenset[int] = frozenset()
        replayed = Replay(self.contexts, self.steps, {}, {}, nobody, nobody, nobody)
        return Evidence(self.operations, replayed, self.losses, Coverage(declared=False))


@dataclass
class _Read:
    """What the files of a capture hold."""

    operations: pa.Table
    losses: pa.Table
    coverage: Coverage
    records: int
    warnings: list[str]
    others: Others
    around: Surroundings
    notes: list[str]
    tolerance: int
    clocks: Clocks


def analyse(
    paths: Sequence[str],
    *,
    profiles: Sequence[str | Path] = (),
    sources: Sources | None = None,
    input_form: str = "auto",
    prefix: str = "",
    progress: Progress | None = None,
    redact: bool = False,
) -> Analysis:
    """Read a capture, replay it and judge it.

    Args:
        paths: Its files: one .etl or text log, or several of one session.
        profiles: Names or files of profiles that say what the driver's own messages mean; those that come
            with the package are used on their own where none is named and their messages occur; "none" is
            none at all.
        sources: Gives the definitions of WPP messages and of events, and the places of PDBs; None for what
            the environment names.
        input_form: What the files are, as :func:`tracecheck.payload.text.open_capture` takes it.
        prefix: The TRACE_FORMAT_PREFIX of text logs of tracefmt; "" for its default.
        progress: Called with the bytes read so far and the bytes in all.
        redact: Replace pointers, names and paths by pseudonyms, as
            :mod:`tracecheck.operations.redact` says.

    Raises:
        InputError: A file cannot be read at all.
        UsageError: There is no such profile.
    """
    _distinct(paths)
    with ExitStack() as opened:
        logs: list[Log | TextLog] = [
            _entered(opened, open_capture(path, input_form, prefix)) for path in paths
        ]
        read = _read(logs, Others(profiles, sources), Surroundings(sources), progress)
    redaction = _redact(read, paths) if redact else None
    original = str if redaction is None else redaction.original
    clocks = read.clocks
    replayed = replay(
        read.operations, read.losses, tolerance=read.tolerance, apart=clocks.error, spread=clocks.spread
    )
    judgement = judge(read.operations, replayed, read.losses, read.coverage, original)
    marks, notes = read.around.marks(), (*read.notes, *read.others.notes, *read.around.notes)
    used = tuple(read.others.profiles)
    if redaction is not None:
        column = marks.schema.get_field_index("name")
        marks = marks.set_column(column, MARKS.field("name"), redaction.names(marks.column("name"), "filter"))
        # Notes name files, modules and messages in sentences of many forms.
        notes = (f"{len(notes)} notes on how the capture was read are not shown",) if notes else ()
        used = tuple(redaction.pseudonym(name, "profile") for name in used)
    legacy = replayed.per_stream
    return Analysis(
        paths=tuple(paths) if redaction is None else stand_ins(paths),
        operations=read.operations,
        contexts=replayed.contexts,
        steps=replayed.steps,
        losses=read.losses,
        findings=judgement.findings,
        verdict=_verdict(read, replayed, judgement),
        records=read.records,
        warnings=tuple(read.warnings),
        profiles=used,
        marks=marks,
        notes=notes,
        coverage=read.coverage,
        redaction=redaction,
        blocks=legacy.blocks if legacy else BLOCKS.empty_table(),
        block_steps=legacy.steps if legacy else BLOCK_STEPS.empty_table(),
    )


def _redact(read: _Read, paths: Sequence[str]) -> Redaction:
    """Replace what a capture tells of the machine and the driver, in all that was read of it."""
    redaction = Redaction(read.operations)
    read.operations = redaction.table(read.operations)
    read.warnings = list(redact_paths(read.warnings, paths))
    profile = redaction.pseudonym(read.coverage.profile, "profile") if read.coverage.profile else ""
    read.coverage = replace(read.coverage, note="", profile=profile)
    return redaction


def _entered(opened: ExitStack, log: Log | TextLog) -> Log | TextLog:
    opened.callback(log.close)
    return log


def _read(
    logs: Sequence[Log | TextLog], others: Others, around: Surroundings, progress: Progress | None
) -> _Read:
    """Read the operations of all files, and their losses."""
    reader = CanonicalReader()
    losses: list[pa.Table] = []
    warnings: list[str] = []
    total = sum(log.size for log in logs)
    records = done = numbers = after = 0
    for log in logs:
        count = 0
        for at, some in _take(log, reader, others, around, numbers, after):
            count += some
            reader.rows.expect(_estimate(reader.rows.size, done + at, total))
            if progress is not None:
                progress(done + at, total)
        records, done = records + count, done + log.size
        numbers += log.lines if isinstance(log, TextLog) else count
        # Logs without dates are taken for parts of one, in the order in which they are given.
        after = log.last + STEP if isinstance(log, TextLog) else after
        losses.append(log.losses())
        warnings += [f"{log.path}: {line}" for line in log.warnings]
    if others.has_more():
        _take_again(logs, others)
    if reader.problems:
        warnings.append(f"{reader.problems} events do not fit their own schema; what fits was read")
    texts = [log for log in logs if isinstance(log, TextLog)]
    _comparable(logs, texts)
    qualities = [log.quality for log in texts]
    coverage = replace(
        _coverage(reader, others),
        weaknesses=weaknesses(qualities, TOLERANCE),
        precision=max((each.precision for each in qualities), default=0),
    )
    operations = assemble(reader.rows, reader.names)
    merged = shift_back(
        pa.concat_tables(losses) if losses else LOSSES.empty_table(), max(reader.lag, others.lag)
    )
    clocks = align(around.finish(operations, merged))
    operations = clocks.operations
    coverage = replace(coverage, clocks_apart=clocks.spread, clocks_unknown=clocks.unknown)
    return _Read(
        operations,
        refine_losses(operations, merged),
        coverage,
        records,
        warnings,
        others,
        around,
        list(dict.fromkeys(note for log in texts for note in log.notes)),
        text_tolerance(qualities, TOLERANCE),
        clocks,
    )


def _take(
    log: Log | TextLog,
    reader: CanonicalReader,
    others: Others,
    around: Surroundings,
    first: int,
    after: int,
) -> Iterator[tuple[int, int]]:
    """Read one file; yield how many of its bytes are done, and how many records came of the last."""
    if isinstance(log, TextLog):
        for part in log.chunks(after):
            others.add_lines(part, first, reader.names, cut=log.form.cuts)
            yield part.done, len(part)
        return
    for chunk in log.chunks(_CHUNK):
        if reader.add(chunk, first) < len(chunk.records):
            others.add(chunk, first, log.header.pointer_size, reader)
        around.add(chunk, first, log.header.pointer_size)
        first += len(chunk.records)
        yield chunk.done, len(chunk.records)


def _take_again(logs: Sequence[Log | TextLog], others: Others) -> None:
    """Read the files once more, for the events whose layout stands behind them."""
    first = 0
    for log in logs:
        if isinstance(log, TextLog):
            first += log.lines
            continue
        for chunk in log.chunks(_CHUNK):
            others.add_again(chunk, first)
            first += len(chunk.records)


def _comparable(logs: Sequence[Log | TextLog], texts: Sequence[TextLog]) -> None:
    """Refuse to put logs without dates in one order with files that have them."""
    undated = [log for log in texts if not log.dated]
    if undated and len(undated) < len(logs):
        raise UsageError(f"{undated[0].path}: has no dates, and so no place among the other files")


def _estimate(rows: int, done: int, total: int) -> int:
    """Estimate how many rows a capture has from those of its first part, with room to spare."""
    return rows * total * 9 // max(done * 8, 1) if done < total else rows


def _distinct(paths: Sequence[str]) -> None:
    """Refuse a file that is given twice: all that it logs would seem to have been done twice."""
    seen: set[tuple[int, int]] = set()
    for path in paths:
        try:
            found = Path(path).stat()
        except (OSError, ValueError):
            # What is wrong with it is said where it is opened.
            continue
        if (found.st_dev, found.st_ino) in seen:
            raise UsageError(f"{path}: is given twice")
        seen.add((found.st_dev, found.st_ino))


def _coverage(reader: CanonicalReader, others: Others) -> Coverage:
    """Put together what the CaptureStart events and the profiles declare; take the profiles' operations."""
    parts = []
    if reader.coverage or reader.rows.size:
        lists = [frozenset(text.split()) for text in reader.coverage if text is not None]
        routines = frozenset.intersection(*lists) if lists else None
        parts.append(Coverage(declared=bool(reader.coverage), routines=routines))
    declared = others.finish(reader.rows)
    if declared is not None:
        parts.append(declared)
    return Coverage.joint(parts) if parts else Coverage(declared=False)


def _verdict(read: _Read, replayed: Replay, judgement: Judgement) -> Verdict:
    """Say what the capture as a whole says; it is clean only where everything could be judged."""
    reasons, advice = list(judgement.withheld), list(judgement.advice)
    if not len(read.operations):
        reasons.append("the capture holds no operation on a filter context")
        advice += read.others.advice or [
            "enable the provider TraceCheck.FilterContexts while the driver runs, or say what its own "
            "messages mean by a --profile, with --tmf, --pdb or --manifest"
        ]
    if len(read.losses):
        reasons.append("events are missing from the capture")
        advice.append("capture with more and larger buffers, and not to a circular file")
    unknown = pc.sum(pc.equal(replayed.contexts.column("birth"), "unknown")).as_py() or 0
    if unknown:
        reasons.append(
            f"{_contexts(unknown)} used but never allocated in the capture: born before it, or lost"
        )
        advice.append("start the capture before the driver")
    strange = _unborn_blocks(replayed)
    if strange:
        what = "legacy context is" if strange == 1 else "legacy contexts are"
        reasons.append(f"{strange:,} {what} used but never allocated in the capture: born before it, or lost")
        advice += [] if unknown else ["start the capture before the driver"]
    if replayed.contradictions and not read.coverage.lacks(RELEASES):
        reasons.append(
            f"{_contexts(len(replayed.contradictions))} told of in ways that contradict each other"
        )
    if read.warnings and not len(read.losses):
        reasons.append("a part of the input could not be read")
    found = Verdict("", tuple(reasons), tuple(advice))
    return _word(judgement.findings, found, read.coverage)


def _word(findings: pa.Table, verdict: Verdict, coverage: Coverage) -> Verdict:
    """Give a verdict its word, for the findings that count."""
    worst = set(findings.column("severity").unique().to_pylist())
    word = "findings" if worst & {"error", "warning"} else "inconclusive" if verdict.reasons else "clean"
    return replace(verdict, word=word, weaknesses=tuple(coverage.inferred()) if word == "clean" else ())


def _unborn_blocks(replayed: Replay) -> int:
    """Count the legacy contexts of unknown birth; where no allocation is logged at all they say nothing."""
    if replayed.per_stream is None:
        return 0
    births = replayed.per_stream.blocks.column("birth")
    unknown = pc.sum(pc.equal(births, "unknown")).as_py() or 0
    return unknown if unknown < len(births) else 0


def _contexts(number: int) -> str:
    return "1 context is" if number == 1 else f"{number:,} contexts are"
