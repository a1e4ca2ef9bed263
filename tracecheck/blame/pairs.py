"""Pairing the acquires and releases of all lives."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from tracecheck.blame.bulk import HOW, Bools, Found, Ints, in_bulk, in_sound_lives
from tracecheck.blame.overreleased import extra_releases
from tracecheck.blame.tables import PAIRS
from tracecheck.payload.arrow import from_numpy, strings
from tracecheck.rules.evidence import Evidence
from tracecheck.rules.pairing import Pairing


def pair_all(evidence: Evidence) -> pa.Table:
    """Pair the acquires and releases of every life; schema :data:`~tracecheck.blame.tables.PAIRS`.

    Lives that leak or are released too often are paired as they are judged; of all others, short stretches
    are paired by their form, and long ones as brackets are.
    """
    life = evidence.step("context").astype(np.int64)
    # Rows here are of the steps table.
    parts = [in_sound_lives(evidence), *_singly(evidence), in_bulk(evidence, _beside_faults(evidence))]
    found = Found.joined(parts)
    op = evidence.step("operation")
    order = np.argsort(found.acquire, kind="stable")
    acquire, release, how = found.acquire[order], found.release[order], found.how[order]
    columns = [
        from_numpy(life[acquire].astype(np.uint32), pa.uint32()),
        from_numpy(op[acquire].astype(np.uint32), pa.uint32()),
        from_numpy(op[release].astype(np.uint32), pa.uint32()),
        pa.DictionaryArray.from_arrays(from_numpy(how.astype(np.int32), pa.int32()), strings(HOW)),
    ]
    return pa.Table.from_arrays(columns, schema=PAIRS)


def _singly(evidence: Evidence) -> Iterator[Found]:
    """Pair what is judged life by life: the last stretches of held lives, and lives released too often."""
    for life in np.setdiff1d(evidence.held, evidence.lives_at_fault).tolist():
        first, pairing = evidence.pairing(life)
        yield _of(pairing, evidence.effect_rows[first:])
    for life in evidence.lives_at_fault.tolist():
        window = extra_releases(evidence, life)
        yield _of(window.pairing, np.asarray(window.rows, np.int64))


def _of(pairing: Pairing, rows: Ints) -> Found:
    acquire = [pair[0] for pair in pairing.pairs]
    release = [pair[1] for pair in pairing.pairs]
    how = [HOW.index(pair[2]) for pair in pairing.pairs]
    return Found(rows[acquire], rows[release], np.array(how, np.int64))


def _beside_faults(evidence: Evidence) -> Bools:
    """Tell which stretches of lives at fault are not near the fault."""
    effects, (starts, ends) = evidence.effects, evidence.stretches
    faulty = np.zeros(len(evidence.replay.contexts) + 1, np.bool_)
    faulty[evidence.lives_at_fault] = True
    beside: Bools = faulty[effects.life[starts]]
    for life in evidence.lives_at_fault.tolist():
        window = extra_releases(evidence, life).rows or [0]
        first = np.searchsorted(evidence.effect_rows, window[0])
        last = np.searchsorted(evidence.effect_rows, window[-1], "right") - 1
        beside[np.searchsorted(ends, first, "right") : np.searchsorted(starts, last, "right")] = False
    return beside
