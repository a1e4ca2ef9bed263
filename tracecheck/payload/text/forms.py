"""What the lines of each form of text log begin with, as patterns of RE2 that name what they find.

RE2 matches in a time that grows with the text alone, whatever the pattern and the text are.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass

#: Tracefmt's prefix where TRACE_FORMAT_PREFIX sets no other (Windows driver documentation, "Trace Message
#: Prefix"): ``[cpu]process.thread::time [friendly name]``.
DEFAULT_PREFIX = "[%9!d!]%8!04X!.%3!04X!::%4!s! [%1!s!]"
#: The columns of tracefmt's csv where the file has no headings.
CSV_COLUMNS = (
    *("GuidName", "GuidTypeName", "ThreadId", "SystemTime", "KernelTime", "UserTime", "SequenceNum"),
    *("ProcessId", "CpuNumber", "FlagsName", "LevelName", "FunctionName", "FormattedString"),
)
#: What ``--input`` takes beside "auto" and "etl".
FORM_NAMES = ("tracefmt", "tracefmt-csv", "debugview", "kd", "text")

# Newer versions of tracefmt print dates in the user's own way, with marks of direction around the
# numbers, which a code page that lacks them makes "?".
_MARK = r"[\x{200e}\x{200f}?]{0,2}"
_DATE = rf"{_MARK}\d{{1,4}}{_MARK}[/.-]{_MARK}\d{{1,2}}{_MARK}[/.-]{_MARK}\d{{1,4}}{_MARK}"
_CLOCK = rf"{_MARK}\d{{1,2}}:\d\d:\d\d(?:[.,:]\d{{1,9}})?{_MARK}(?: ?[AaPp][Mm])?"
CALENDAR = rf"{_DATE}[-T ]{_CLOCK}"
_HEX, _DECIMAL = "[0-9A-Fa-f]{1,8}", r"\d{1,18}"
# The numbers of a prefix: what each is, by tracefmt's own count.
_PREFIX_NAMES = {1: "provider", 3: "tid", 4: "time", 7: "sequence", 8: "pid", 9: "cpu"}
_CSV_NAMES = {
    "guidname": "provider",
    "threadid": "tid",
    "systemtime": "time",
    "sequencenum": "sequence",
    "processid": "pid",
    "cpunumber": "cpu",
    "functionname": "function",
}
_PARAMETER = re.compile(r"%(?:(\d{1,2})(?:!([^!]*)!)?|!([A-Za-z]+)!|([%n!.r ]))")
_CELL = r'(?:"(?:[^"]|"")*"|[^",\r\n]*)'
# What tracefmt prints, without a prefix, of a message whose definition it does not have.
_UNKNOWN = r"Unknown\( *\d+\): GUID="
_DEBUGVIEW = (
    rf"(?P<sequence>\d{{4,10}})\t(?P<time>\d{{1,9}}[.,]\d{{1,9}}|{_CLOCK})\t(?:\[(?P<pid>\d{{1,10}})\] )?"
)
# What a debugger's log may have before a message: a prompt, a time.
_PROMPT = r"(?:\d{1,4}: )?kd> (?:\*[A-Z]+\* ?)?"
_STAMP = rf"[\[(]?(?P<time>(?:{CALENDAR}|{_CLOCK}))[\])]?(?: -)?[:;,]?[ \t]+"


@dataclass(frozen=True)
class Form:
    """One form of text log.

    Attributes:
        name: One of :data:`FORM_NAMES`.
        encoding: "utf-8" (lines that are not are read as Latin-1), "utf-16-le" or "utf-16-be".
        start: Where the text begins: behind the byte order mark.
        pattern: What a line begins with that begins a message, with named groups; a line that does not
            match continues the message before it.
        alone: Every line is a message, with or without what ``pattern`` finds.
        decimal: Groups whose numbers are decimal; those of others are hexadecimal.
        order: Whether lines are in the order of the messages, so that no time may go back.
        quoted: Whether messages may be quoted as in csv.
        cuts: Whether each line of a message of several stands alone.
        headings: How many lines of column headings the file begins with.
    """

    name: str
    encoding: str = "utf-8"
    start: int = 0
    pattern: str = ""
    alone: bool = False
    decimal: frozenset[str] = frozenset({"cpu", "sequence"})
    order: bool = False
    quoted: bool = False
    cuts: bool = False
    headings: int = 0

    @property
    def fields(self) -> frozenset[str]:
        """What a line of the form may tell beside its text."""
        return frozenset(re.findall(r"\(\?P<(\w+)>", self.pattern)) - {"whole"}


@dataclass(frozen=True)
class LogQuality:
    """What a log does not carry, and a verdict therefore cannot rest on.

    Attributes:
        timed: Lines have times; where not, their times are steps that only keep their order.
        precision: How far apart the times are that the log can tell apart, nanoseconds.
        threads: Lines name their threads.
        complete: The log proves by numbers of the writer's own that no message is missing.
    """

    timed: bool
    precision: int
    threads: bool
    complete: bool = False


def form_of(name: str, encoding: str = "utf-8", start: int = 0, *, prefix: str = "", head: str = "") -> Form:
    """Make a form.

    Args:
        name: One of :data:`FORM_NAMES`.
        encoding: The file's encoding.
        start: Where its text begins.
        prefix: For tracefmt, the TRACE_FORMAT_PREFIX that it had; the default one where empty.
        head: For tracefmt-csv, the file's first line, which may name the columns.
    """
    if name == "tracefmt":
        pattern, decimal = prefix_pattern(prefix or DEFAULT_PREFIX)
        return Form(name, encoding, start, rf"^(?P<whole>{pattern})", decimal=decimal)
    if name == "tracefmt-csv":
        return Form(
            name,
            encoding,
            start,
            rf"^(?P<whole>{csv_pattern(head)})",
            quoted=True,
            headings=int(bool(csv_columns(head))),
        )
    if name == "debugview":
        decimal = frozenset({"sequence", "pid"})
        return Form(
            name, encoding, start, rf"^(?P<whole>{_DEBUGVIEW})", decimal=decimal, order=True, cuts=True
        )
    prompt = f"(?:{_PROMPT})*" if name == "kd" else ""
    pattern = rf"^(?P<whole>{prompt}(?:{_STAMP})?)"
    return Form(name, encoding, start, pattern, alone=True, order=True, cuts=True)


def unknown_pattern() -> str:
    """Give the pattern of lines that tracefmt writes without a prefix."""
    return f"^{_UNKNOWN}"


def prefix_pattern(prefix: str) -> tuple[str, frozenset[str]]:
    """Turn a TRACE_FORMAT_PREFIX into a pattern.

    Args:
        prefix: Text with ``%n!format!`` and ``%!NAME!`` in it.

    Returns:
        The pattern, and the names of its groups whose numbers are decimal.
    """
    pieces: list[str] = []
    decimal: set[str] = set()
    seen: set[str] = set()
    at = 0
    for match in _PARAMETER.finditer(prefix):
        pieces.append(_literal(prefix[at : match.start()]))
        at = match.end()
        number, form, macro, escape = match.groups()
        if escape is not None:
            pieces.append(re.escape({"n": "\n", "r": "\r"}.get(escape, escape)))
            continue
        name = "function" if macro == "FUNC" else _PREFIX_NAMES.get(int(number or 0), "")
        value, is_decimal = _value(name, form or "s", prefix[at : at + 1])
        if is_decimal:
            decimal.add(name)
        pieces.append(f"(?P<{name}>{value})" if name and name not in seen else f"(?:{value})")
        seen.add(name)
    pieces.append(_literal(prefix[at:]))
    return "".join(pieces), frozenset(decimal)


def _value(name: str, form: str, following: str) -> tuple[str, bool]:
    """Give the pattern of one parameter, and whether it is a decimal number."""
    if name == "time":
        return CALENDAR, False
    if form[-1:] in ("x", "X"):
        return f" *{_HEX}" if name in ("cpu", "tid", "pid") else " *[0-9A-Fa-f]{1,16}", False
    if form[-1:] in ("d", "u", "i") or name in ("cpu", "tid", "pid", "sequence"):
        return f" *{_DECIMAL}", True
    # A text ends where what follows it begins: so there is one way only to match.
    stop = re.escape(following) if following not in ("", "%") else r"\s"
    return rf"[^{stop}\r\n]*", False


def _literal(text: str) -> str:
    """Quote what stands between parameters; blanks may be more or fewer."""
    return re.sub(r"(?:\\ )+", " *", re.escape(text))


def csv_pattern(head: str) -> str:
    """Make the pattern of a line's cells before the message.

    Args:
        head: The file's first line.

    Returns:
        A pattern; it takes the columns from ``head`` if that names the last one of tracefmt's.
    """
    columns = csv_columns(head) or CSV_COLUMNS
    cells = []
    for column in columns[:-1]:
        name = _CSV_NAMES.get(column.strip().lower(), "")
        value = {"time": CALENDAR, "tid": _HEX, "pid": _HEX, "cpu": _DECIMAL, "sequence": _DECIMAL}.get(name)
        if value is not None:
            cells.append(rf'[ "]*(?P<{name}>{value})[ "]*,')
        else:
            cells.append(f"(?P<{name}>{_CELL})," if name else f"{_CELL},")
    return "".join(cells)


def csv_columns(head: str) -> tuple[str, ...]:
    """Give the columns that a file's first line names, the message last; () if it names none."""
    try:
        cells = tuple(cell.strip() for cell in next(csv.reader([head[:4096]]), []))
    except csv.Error:
        return ()
    known = [_CSV_NAMES.get(cell.lower()) for cell in cells if cell.lower() in _CSV_NAMES]
    usual = cells[-1:] == ("FormattedString",) and "time" in known and len(set(known)) == len(known)
    return cells if usual else ()
