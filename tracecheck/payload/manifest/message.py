"""An event's message with its values in it, as FormatMessage would write it.

Source: Microsoft's documentation of FormatMessage: ``%1`` to ``%99`` with an optional printf form
``!s!``; ``%n`` line end, ``%r`` carriage return, ``%t`` tab, ``%0`` end of the message, ``%b`` and
``% `` a blank; before any other character ``%`` stands for that character.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tracecheck.payload._schema import In, Out

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tracecheck.payload.manifest.definition import Event, Field

_HEX_IN = frozenset({In.HEXINT32, In.HEXINT64, In.POINTER})
_STATUS = frozenset({Out.NTSTATUS, Out.HRESULT, Out.WIN32ERROR})
_HEX_OUT = frozenset({Out.HEX, Out.CODE_POINTER, Out.NTSTATUS, Out.HRESULT})

_INSERT = re.compile(r"%(?:([1-9][0-9]?)(?:!([^!]*)!)?|(.))", re.DOTALL)
_PRINTF = re.compile(r"([-0#+ ]*)(\d{0,3})(?:\.(\d{1,3}))?(?:I64|I32|ll|l|h|w|I)?([diuxXcCsSp])")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": " "}

# A message of many %1 with a long string would make much of little.
_LONGEST = 1 << 16


def message_text(event: Event, values: Sequence[Any]) -> str:
    """Write an event's message.

    Args:
        event: The definition; its message may be empty.
        values: A value for each field, in their order, as Arrow gives them to Python; text stands as it is.

    Returns:
        The message, cut at 64 Ki characters; "" where the event has none. An insert without a value stays
        as it is.
    """
    text = event.message
    end = _end(text)
    if end is not None:
        text = text[:end]
    told = list(zip(event.fields, values, strict=False))
    texts: dict[int, str] = {}
    out: list[str] = []
    size = at = 0
    for match in _INSERT.finditer(text):
        part = text[at : match.start()] + _insert(match, told, texts)
        at = match.end()
        out.append(part)
        size += len(part)
        if size > _LONGEST:
            break
    return "".join([*out, text[at:]])[:_LONGEST]


def value_text(field: Field, value: Any) -> str:  # noqa: ANN401 (any value that Arrow gives)
    """Write a value: by its map where the field has one, hexadecimal where its type says so.

    Args:
        field: Its field.
        value: As Arrow gives it to Python; a number may be text already.
    """
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(value_text(field, each) for each in value)
    if isinstance(value, dict):
        pairs = zip(field.fields, value.items(), strict=False)
        return "{" + ", ".join(f"{name}={value_text(inner, each)}" for inner, (name, each) in pairs) + "}"
    if isinstance(value, bytes):
        return value.hex()
    if field.map is not None:
        number = _number(value)
        return str(value) if number is None else field.map.text(number)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return _integer(field, value)
    return str(value)


def _integer(field: Field, value: int) -> str:
    if field.out_type in _STATUS:
        return f"0x{value & 0xFFFFFFFF:08X}" if field.out_type != Out.WIN32ERROR else str(value)
    if field.in_type in _HEX_IN or field.out_type in _HEX_OUT:
        return f"{value:#x}"
    return str(value)


def _number(value: Any) -> int | None:  # noqa: ANN401
    if isinstance(value, int):
        return int(value)
    try:
        return int(str(value), 0)
    except ValueError:
        return None


def _end(text: str) -> int | None:
    """Find ``%0``, which ends a message; a ``%%0`` is none."""
    for match in _INSERT.finditer(text):
        if match[3] == "0":
            return match.start()
    return None


def inserted(event: Event) -> frozenset[int]:
    """Tell which fields an event's message shows, by their places from 0."""
    numbers = (match[1] for match in _INSERT.finditer(event.message))
    return frozenset(int(number) - 1 for number in numbers if number)


def _insert(match: re.Match[str], told: list[tuple[Field, Any]], texts: dict[int, str]) -> str:
    """Write one insert; ``texts`` keeps what was written of each field."""
    if match[1] is None:
        return _ESCAPES.get(match[3], match[3])
    place = int(match[1]) - 1
    if place >= len(told):
        return match[0]
    field, value = told[place]
    if place not in texts:
        texts[place] = value_text(field, value)
    text = texts[place]
    form = _PRINTF.fullmatch(match[2]) if match[2] else None
    if form is None:
        return text
    return _printf(form, _number(value) if field.map is None else None, text)


def _printf(form: re.Match[str], number: int | None, text: str) -> str:
    """Write a value in a printf form; a number's letters hold for numbers only."""
    flags, width, precision, letter = form.groups()
    if number is not None and letter in "xX":
        text = f"{number & 0xFFFFFFFFFFFFFFFF:{'#' if '#' in flags else ''}{letter}}"
    elif number is not None and letter in "diu":
        text = str(number)
    elif precision is not None:
        text = text[: int(precision)]
    if number is not None and letter in "diuxX" and precision is not None:
        text = text.rjust(int(precision), "0")
    if not width:
        return text
    if "-" in flags:
        return text.ljust(int(width))
    return text.rjust(int(width), "0" if "0" in flags and number is not None else " ")
