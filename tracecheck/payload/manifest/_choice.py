"""Chooses, by the payloads, among the readings of a layout with gaps; says where they leave a doubt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tracecheck.payload._arrays import Budget
from tracecheck.payload._plan import Scope
from tracecheck.payload._reader import Reader
from tracecheck.payload._schema import In
from tracecheck.payload.arrow import from_numpy, strings
from tracecheck.payload.manifest._plan import readers_of
from tracecheck.payload.manifest._readings import readings

if TYPE_CHECKING:
    from tracecheck.payload._slices import Bytes, Ints
    from tracecheck.payload.manifest.definition import Event, Field

#: What a trial of one reading costs besides its fields.
EVENT_COST = 4

# How many payloads choose.
_SAMPLE = 256

_STRINGS = frozenset({In.UNICODESTRING, In.ANSISTRING})

_DOUBT = "a guess: the catalogue does not say which 64-bit numbers of a 32-bit writer are pointers"


def choose(
    data: Bytes, pos: Ints, end: Ints, event: Event, pointer_size: int, trials: Budget
) -> tuple[Event, bool]:
    """Choose the reading that uses up the most payloads; of equal ones the first.

    Args:
        data: The bytes.
        pos: Where each payload starts, shape (n,), n at least 1.
        end: Where each ends.
        event: Its layout has gaps.
        pointer_size: The writer's, 4 or 8.
        trials: How many fields may be tried.

    Returns:
        The event with the fields as chosen; whether another choice of pointers would do as well.
    """
    some = slice(None, None, max(1, pos.size // _SAMPLE))
    pos, end = pos[some], end[some]
    hides = pointer_size == 4 and _hides_a_shift(event.fields)
    best, fewest, is_doubtful = event, pos.size + 1, hides
    for variants in readings(event, pointer_size):
        fitting = 0
        for fields in variants:
            if not trials.take(EVENT_COST + len(fields)):
                return best, pointer_size == 4 and _has(event.fields, In.UINT64)
            tried = replace(event, fields=fields)
            _, problems = read(data, pos, end, tried, pointer_size, Budget(trials.left))
            failures = 0 if problems is None else len(problems) - problems.null_count
            fitting += not failures
            if failures < fewest:
                best, fewest = tried, failures
                is_mixed = _has(fields, In.UINT64) and _has(fields, In.POINTER)
                is_doubtful = hides or (pointer_size == 4 and is_mixed)
        if fitting:
            return best, is_doubtful or fitting > 1
    return best, is_doubtful


def read(
    data: Bytes, pos: Ints, end: Ints, event: Event, pointer_size: int, budget: Budget
) -> tuple[list[pa.Array], pa.DictionaryArray | None]:
    """Read payloads by an event's fields: an array a field, and what is wrong with each row."""
    fields = readers_of(event.fields, Scope(pointer_size, budget))
    reader = Reader(data, pos, end, budget)
    return reader.columns(fields), reader.finish()


def with_doubt(problems: pa.DictionaryArray | None, rows: int) -> pa.DictionaryArray:
    """Say of each row that was read whole that its reading is a guess."""
    if problems is None:
        codes, texts = np.zeros(rows, dtype=np.int32), [_DOUBT]
    else:
        texts = [*problems.dictionary.to_pylist(), _DOUBT]
        said = [len(texts) - 1 if code is None else code for code in problems.indices.to_pylist()]
        codes = np.array(said, dtype=np.int32)
    return pa.DictionaryArray.from_arrays(from_numpy(codes, pa.int32()), strings(texts))


def _hides_a_shift(fields: tuple[Field, ...]) -> bool:
    """Say whether a string takes up what a wrong width before it leaves: then the sizes prove nothing."""
    wide = [place for place, field in enumerate(fields) if field.in_type == In.UINT64]
    return bool(wide) and any(field.in_type in _STRINGS for field in fields[wide[0] :])


def _has(fields: tuple[Field, ...], in_type: In) -> bool:
    return any(field.in_type == in_type for field in fields)
