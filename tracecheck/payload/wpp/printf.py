"""printf forms of C, as Microsoft's library prints them, for one value at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass

#: The widest field and the longest precision that is obeyed: a format may ask for gigabytes.
WIDEST = 4096

_SPEC = re.compile(
    r"(?P<flags>[-+ 0#]*)(?P<width>\d*)(?:\.(?P<precision>\d*))?"
    r"(?P<size>hh|h|ll|l|I64|I32|I|w|z|t|j|L)?(?P<conversion>[diuxXoOcCsSpfFeEgGaAZ])"
)
_BITS = {"hh": 8, "h": 16}
_SIGNED = "di"
_BASES = {"d": "d", "i": "d", "u": "d", "x": "x", "X": "X", "o": "o", "O": "o"}
_LAST_CHARACTER = 0xFFFF


@dataclass(frozen=True, slots=True)
class Spec:
    """A printf conversion.

    Attributes:
        conversion: Its letter.
        flags: Of ``-+ 0#``.
        width: The least characters.
        precision: Digits or most characters; None where there is none.
        size: The length prefix.
    """

    conversion: str = "s"
    flags: str = ""
    width: int = 0
    precision: int | None = None
    size: str = ""


#: What an argument without a form gets.
TEXT = Spec()


def parse_spec(text: str) -> Spec | None:
    """Read a conversion without its percent sign, ``-8.3I64x``; None where it is none.

    Width and precision beyond :data:`WIDEST` become that.
    """
    match = _SPEC.fullmatch(text)
    if match is None:
        return None
    precision = match["precision"]
    return Spec(
        match["conversion"],
        match["flags"],
        _bounded(match["width"]),
        None if precision is None else _bounded(precision),
        match["size"] or "",
    )


def _bounded(digits: str) -> int:
    significant = digits.lstrip("0")
    return WIDEST if len(significant) > 4 else min(int(significant or 0), WIDEST)


def format_integer(spec: Spec, value: int, bits: int, pointer_size: int) -> str:
    """Print an integer.

    Args:
        spec: A conversion.
        value: The number.
        bits: How wide its type is; ``h`` and ``hh`` make it narrower. C would widen what is narrower than
            an int: a short of -1 is shown by ``%x`` as ``ffff``.
        pointer_size: The digits that ``%p`` shows are two for each of these bytes.
    """
    bits = min(bits, _BITS.get(spec.size, bits))
    unsigned = value & ((1 << bits) - 1)
    if spec.conversion == "p":
        return _padded(spec, "", f"{unsigned:0{2 * pointer_size}X}", zeros=False)
    if spec.conversion in "cC":
        return format_text(spec, _character(unsigned, bits))
    if spec.conversion in "fFeEgGaA":
        return format_float(spec, float(value))
    if spec.conversion not in _BASES:
        return format_text(spec, str(value))
    return _digits(spec, unsigned, bits)


def _digits(spec: Spec, unsigned: int, bits: int) -> str:
    negative = spec.conversion in _SIGNED and unsigned >> (bits - 1) & 1
    magnitude = (1 << bits) - unsigned if negative else unsigned
    digits = format(magnitude, _BASES[spec.conversion])
    if spec.precision is not None:
        digits = digits.rjust(spec.precision, "0") if magnitude or spec.precision else ""
    lead = ""
    if spec.conversion in _SIGNED:
        lead = "-" if negative else _plus(spec)
    elif "#" in spec.flags:
        if spec.conversion in "xX" and magnitude:
            lead = f"0{spec.conversion}"
        elif spec.conversion in "oO" and not digits.startswith("0"):
            digits = f"0{digits}"
    return _padded(spec, lead, digits, zeros=spec.precision is None)


def format_float(spec: Spec, value: float) -> str:
    """Print a floating-point number; ``%s`` and what is for integers show it as ``%g`` does."""
    if spec.conversion in "aA":
        text = value.hex()
        text = text.upper() if spec.conversion == "A" else text
    else:
        conversion = spec.conversion if spec.conversion in "fFeEgG" else "g"
        precision = 6 if spec.precision is None else spec.precision
        alternate = "#" if "#" in spec.flags else ""
        text = f"%{alternate}.{precision}{conversion}" % value
    lead = "-" if text.startswith("-") else _plus(spec)
    return _padded(spec, lead, text.removeprefix("-"), zeros=text[-1] not in "fnFN")


def format_text(spec: Spec, text: str) -> str:
    """Print a string: cut to the precision, padded to the width."""
    text = text if spec.precision is None or spec.conversion in "cC" else text[: spec.precision]
    return _padded(spec, "", text, zeros=True)


def _plus(spec: Spec) -> str:
    return "+" if "+" in spec.flags else " " if " " in spec.flags else ""


def _padded(spec: Spec, lead: str, body: str, *, zeros: bool) -> str:
    missing = spec.width - len(lead) - len(body)
    if missing <= 0:
        return lead + body
    if "-" in spec.flags:
        return lead + body + " " * missing
    if zeros and "0" in spec.flags:
        return lead + "0" * missing + body
    return " " * missing + lead + body


def _character(value: int, bits: int) -> str:
    """Show a character: a byte of Windows-1252, or a unit of UTF-16."""
    if bits == 8:
        return bytes([value]).decode("cp1252", "replace")
    # Half of a surrogate pair is no text that could be written.
    return chr(value & _LAST_CHARACTER).encode("utf-16-le", "replace").decode("utf-16-le")
