"""Events as JSON, an object and a line for each."""

from __future__ import annotations

from json.encoder import encode_basestring_ascii as quote
from typing import TYPE_CHECKING

from tracecheck.etl.layout import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tracecheck.reporters.events.page import Page


def render_jsonl(page: Page) -> list[bytes]:
    """Write the records of a page as JSON, an object and a line for each.

    Args:
        page: The records.

    Returns:
        The lines in the order of the records, ASCII, with line ends.
    """
    columns: tuple[Iterable[object], ...] = (
        page.times,
        page.numbers("cpu"),
        _numbers(page.ids("pid")),
        _numbers(page.ids("tid")),
        _processes(page),
        _quoted(page.kind_names),
        _quoted(page.providers),
        _quoted(page.provider_names),
        _names(page),
        page.numbers("id"),
        page.numbers("version"),
        page.numbers("opcode"),
        page.levels,
        page.numbers("keyword"),
        (fields or "{}" for fields in page.fields),
        map(quote, page.texts),
        _rest(page),
    )
    return [(_LINE % cells).encode("ascii") for cells in zip(*columns, strict=True)]


_LINE = (
    '{"time": "%sZ", "cpu": %d, "pid": %s, "tid": %s%s, "kind": %s, "provider": %s, "provider_name": %s, %s,'
    ' "id": %d, "version": %d, "opcode": %d, "level": %d, "keyword": "%#x", "fields": %s, "text": %s%s}\n'
)


def _numbers(values: Sequence[int | None]) -> list[str]:
    return ["null" if value is None else str(value) for value in values]


def _quoted(values: Sequence[str | None]) -> list[str]:
    """Write strings of which few are different."""
    words = {value: "null" if value is None else quote(value) for value in set(values)}
    return [words[value] for value in values]


def _processes(page: Page) -> list[str]:
    if page.processes is None:
        return [""] * len(page)
    return [f', "process": {name}' for name in _quoted(page.processes)]


def _names(page: Page) -> list[str]:
    """A WPP message has its number; its definition's source file and line, where there is one."""
    names = zip(page.kinds, page.numbers("id"), _quoted(page.names), strict=True)
    out = [
        f'"message": {number}' if kind == Kind.WPP_MESSAGE else f'"name": {name}'
        for kind, number, name in names
    ]
    if any(page.sources):
        pairs = zip(out, _quoted(page.sources), strict=True)
        out = [each if source == "null" else f'{each}, "source": {source}' for each, source in pairs]
    return out


def _rest(page: Page) -> list[str]:
    """What only some records have: a problem, the bytes of the payload, a stack."""
    out = [""] * len(page)
    for row, (problem, payload) in enumerate(zip(page.problems, page.payloads, strict=True)):
        if problem is not None:
            out[row] += f', "problem": {quote(problem)}'
        if payload is not None:
            out[row] += f', "payload": "{payload.hex()}"'
    for row, stack in enumerate(page.stacks or ()):
        out[row] += f', "stack": [{", ".join(map(quote, stack))}]'
    return out
