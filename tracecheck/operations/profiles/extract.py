"""Columns of decoded arguments to rows of operations, for all messages of one definition together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from tracecheck.fltmgr import ROUTINES, Effect
from tracecheck.fltmgr.status import KEEP_IF_EXISTS, REPLACE_IF_EXISTS
from tracecheck.operations.batch import OPTIONAL, Batch
from tracecheck.operations.canonical import numbers
from tracecheck.operations.members import by_member
from tracecheck.operations.profiles import values
from tracecheck.operations.profiles.grammar import MEMBERS, NUMBERS, POINTERS, RELAYED
from tracecheck.payload.arrow import from_numpy, strings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from tracecheck.operations.names import Names
    from tracecheck.operations.profiles.bind import Binding, Source
    from tracecheck.operations.profiles.grammar import Condition
    from tracecheck.operations.profiles.place import Place

    Clock = Callable[[NDArray[np.int64]], NDArray[np.int64]]
    Numbers = tuple[NDArray[Any], NDArray[np.bool_]]

_ADDRESSES = (*POINTERS, *MEMBERS)


class Column(NamedTuple):
    """One argument of all messages of a definition.

    Attributes:
        values: Integers, booleans, or a dictionary of strings; what is nothing of these has no value.
        base: The base of the digits where a conversion of printf has written them, else 0.
    """

    values: pa.Array
    base: int = 0


def extract(
    binding: Binding,
    source: Source,
    columns: Sequence[Column],
    place: Place,
    names: Names,
    clock: Clock | None = None,
) -> Batch:
    """Make the rows of a bound message.

    Args:
        binding: What the messages mean.
        source: Their definition.
        columns: Their arguments, in the definition's order.
        place: Where they stand.
        names: Takes the strings.
        clock: Turns raw times of the session into nanoseconds; None where there are none.

    Returns:
        A row for each message that meets the conditions, or for each context of a call on several.
    """
    rows = _meeting(binding, columns, len(place))
    if rows is not None:
        place = place.take(rows)
        index = from_numpy(rows, pa.int64())
        columns = [Column(each.values.take(index), each.base) for each in columns]
    message = binding.message
    routine = ROUTINES[message.routine]
    batch = Batch.empty(len(place), names.code(routine.name))
    _stand(batch, place)
    batch.lag = _relay(binding, batch, columns)
    for key in (*POINTERS, *NUMBERS):
        found = _value(binding, key, columns, batch.size, batch.dtype(key))
        if found is None:
            continue
        batch[key], there = found
        if key in OPTIONAL:
            batch[f"has_{key}"] = there
    if message.replace_flag and "operation" in batch:
        batch["operation"] = np.where(batch["operation"] != 0, REPLACE_IF_EXISTS, KEEP_IF_EXISTS).astype("u4")
    if "begin" in batch:
        batch["begin"], batch["has_begin"] = _begin(batch, clock)
    kind = batch["context_type"]
    batch["context_type"] = np.where(kind == 0, np.uint16(routine.context_type), kind)
    if routine.attached_to and "object" not in batch:
        batch["object"] = _object(batch, routine.attached_to)
    batch["function"], batch["site"] = _sites(binding, source, columns, names, batch.size)
    if routine.effect in (Effect.GET_MANY, Effect.RELEASE_MANY):
        return by_member(batch, _members(binding, columns, batch.size))
    return batch


def _stand(batch: Batch, place: Place) -> None:
    for column in ("time", "tick", "cpu", "pid", "tid", "record"):
        batch[column] = getattr(place, column)
    batch["buffer_sequence"], batch["buffer_offset"] = place.sequence, place.offset


def _relay(binding: Binding, batch: Batch, columns: Sequence[Column]) -> int:
    """Let the time and ids that a relay wrote stand for the record's own.

    Returns:
        The longest time between a call and the record that tells of it, nanoseconds.
    """
    written = batch["time"]
    for key in RELAYED:
        found = _value(binding, key, columns, batch.size, batch.dtype(key))
        if found is not None:
            batch[key] = np.where(found[1], found[0], batch[key])
    return int((written - batch["time"]).max(initial=0))


def _value(binding: Binding, key: str, columns: Sequence[Column], size: int, dtype: str) -> Numbers | None:
    """Give an argument or a constant of all rows; None where the message has neither."""
    if key in binding.columns:
        return as_numbers(columns[binding.columns[key]], key, dtype)
    if key in binding.message.constants:
        number = np.array([binding.message.constants[key]], np.uint64).astype(dtype)
        return np.broadcast_to(number, (size,)).copy(), np.ones(size, np.bool_)
    return None


def as_numbers(column: Column, key: str, dtype: str) -> Numbers:
    """Give a decoded argument as numbers.

    Args:
        column: The argument.
        key: What it is, of :data:`~tracecheck.operations.profiles.grammar.ARGUMENTS`: texts are read by that.
        dtype: The numbers' type; what does not fit is cut as C does.

    Returns:
        The numbers, and which of them were there.
    """
    array = column.values
    if pa.types.is_string(array.type):
        array = array.dictionary_encode()
    if not pa.types.is_dictionary(array.type):
        return numbers(array, dtype)
    table, known = _read_texts(array.dictionary, key, column.base)
    codes = array.indices.fill_null(len(table) - 1) if array.null_count else array.indices
    index = codes.to_numpy(zero_copy_only=False)
    return table.astype(dtype)[index], known[index]


def _read_texts(texts: pa.Array, key: str, base: int) -> tuple[NDArray[np.uint64], NDArray[np.bool_]]:
    """Read each different text once; the last element stands for a text that is missing."""
    if not pa.types.is_string(texts.type):
        return np.zeros(len(texts) + 1, np.uint64), np.zeros(len(texts) + 1, np.bool_)
    read = values.pointer if key in _ADDRESSES else values.READERS.get(key, values.number)
    found = []
    for text in texts.to_pylist():
        number = values.of_base(text, base) if base and text is not None else None
        found.append(read(text) if number is None and text is not None else number)
    found.append(None)
    known = np.array([number is not None for number in found], np.bool_)
    return np.array([number or 0 for number in found], np.uint64), known


def _meeting(binding: Binding, columns: Sequence[Column], size: int) -> NDArray[np.int64] | None:
    """Find the messages that meet all conditions; None where there is no condition."""
    if not binding.conditions:
        return None
    mask = np.ones(size, np.bool_)
    for condition, column in zip(binding.message.when, binding.conditions, strict=True):
        mask &= _meets(condition, columns[column])
    return np.flatnonzero(mask)


def _meets(condition: Condition, column: Column) -> NDArray[np.bool_]:
    """Tell which values meet a condition; one that is missing meets none."""
    wanted = values.number(condition.value)
    value, there = as_numbers(column, "", "u8")
    if condition.value in ("true", "false"):
        equal = (value != 0) == (condition.value == "true")
    elif wanted is not None:
        equal = value == np.uint64(wanted)
    else:
        equal, there = _equal_text(column.values, condition.value)
    meets: NDArray[np.bool_] = (equal != condition.negated) & there
    return meets


def _equal_text(array: pa.Array, text: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    there = array.is_valid().to_numpy(zero_copy_only=False)
    if not pa.types.is_string(array.type):
        return np.zeros(len(array), np.bool_), there
    distinct = array.dictionary_encode()
    same = np.array([each == text for each in distinct.dictionary.to_pylist()] + [False], np.bool_)
    return same[distinct.indices.fill_null(len(same) - 1).to_numpy(zero_copy_only=False)], there


def _begin(batch: Batch, clock: Clock | None) -> Numbers:
    if clock is None:
        return batch["begin"], np.zeros(batch.size, np.bool_)
    return clock(batch["begin"]), batch["has_begin"]


def _object(batch: Batch, attached_to: str) -> NDArray[np.uint64]:
    if attached_to != "stream":
        return batch[attached_to]
    return np.where(batch["stream"] == 0, batch["file_object"], batch["stream"])


def _members(binding: Binding, columns: Sequence[Column], size: int) -> list[tuple[int, NDArray[np.uint64]]]:
    found = []
    for key, kind in MEMBERS.items():
        value = _value(binding, key, columns, size, "u8")
        if value is not None:
            found.append((kind, value[0]))
    return found


def _sites(
    binding: Binding, source: Source, columns: Sequence[Column], names: Names, size: int
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Make the function and the call site of each row: from the arguments, else from the definition."""
    given = {
        key: columns[binding.columns[key]]
        for key in ("function", "file", "line", "site")
        if key in binding.columns
    }
    constants = binding.message.constants
    line = int(constants.get("line", source.line or 0))
    # Where all rows are of one place, one row is made for all.
    count = size if any(key != "site" for key in given) else 1
    fields = {
        "Function": _texts(given.get("function"), str(constants.get("function", source.function)), count),
        "File": _texts(given.get("file"), str(constants.get("file", source.file)), count),
        "Line": _lines(given.get("line"), line, count),
    }
    function, site = names.sites(fields, count)
    if count != size:
        function, site = np.repeat(function, size), np.repeat(site, size)
    if "site" in given:
        texts = _texts(given["site"], "", size)
        codes = np.array([names.code(text) for text in texts.dictionary.to_pylist()] + [-1], np.int32)
        site = codes[texts.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
    elif "site" in constants:
        site = np.full(size, names.code(str(constants["site"])), np.int32)
    return function, site


def _texts(column: Column | None, constant: str, size: int) -> pa.DictionaryArray:
    """Give a column of strings as a dictionary of 32-bit codes."""
    array = None if column is None else column.values
    if array is not None and pa.types.is_string(array.type):
        array = array.dictionary_encode()
    if array is not None and pa.types.is_dictionary(array.type):
        return array
    return pa.DictionaryArray.from_arrays(
        from_numpy(np.zeros(size, np.int32), pa.int32()), strings([constant])
    )


def _lines(column: Column | None, constant: int, size: int) -> pa.Array:
    value = np.full(size, constant, np.uint64) if column is None else as_numbers(column, "line", "u8")[0]
    return from_numpy(value, pa.uint64())
