"""The messages of a driver: what captures, TMF files, PDBs and manifests show of them, for `profile`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from uuid import UUID

import numpy as np

from tracecheck.commands import options
from tracecheck.etl.layout import Ext, Kind
from tracecheck.operations.canonical import PROVIDER
from tracecheck.operations.profiles.bind import Source, tracelogging_source, wpp_source
from tracecheck.operations.profiles.draft import Seen, of_definition
from tracecheck.payload.text import TextLog, open_capture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    import pyarrow as pa

    from tracecheck.commands.sources import Sources
    from tracecheck.etl import Chunk, Log
    from tracecheck.payload.wpp.definition import Definition

    Key = tuple[UUID, int]
    Progress = Callable[[int, int], None]

#: So many different lines of text, messages and events are told apart; a file may be made of nothing else.
MOST_TEXTS = 100_000
_MOST_KEYS = 1 << 16
_LONGEST_PAYLOAD = 1 << 12
_MOST_FILES = 10_000
_EVENTS = (Kind.EVENT32, Kind.EVENT64)


@dataclass(frozen=True)
class Known:
    """A message that has a definition.

    Attributes:
        source: The definition, as profiles are bound to it.
        seen: Its text, how often it occurs and an example.
    """

    source: Source
    seen: Seen


@dataclass
class Messages:
    """What is known of a driver's messages.

    Attributes:
        known: Those with a definition: WPP messages, TraceLogging events, events of named manifests.
        texts: Different texts of DbgPrint and of text logs, and how often each occurs.
        undefined: How many WPP messages have no definition.
        captured: Whether a capture was read, so that counts mean something.
        warnings: What could not be read, a line each.
    """

    known: list[Known] = field(default_factory=list)
    texts: Counter[str] = field(default_factory=Counter)
    undefined: int = 0
    captured: bool = False
    warnings: list[str] = field(default_factory=list)


def gather(
    captures: Sequence[str], sources: Sources, *, form: str = "auto", progress: Progress | None = None
) -> Messages:
    """Read the messages of captures and of definitions.

    Args:
        captures: .etl files and text logs.
        sources: Where WPP definitions come from; all of those in the files named by --tmf and --pdb are
            taken, occurring or not.
        form: What the captures are, as --input has it.
        progress: Called with the bytes read so far and the bytes in all.

    Raises:
        InputError: A file can't be read.
    """
    out = Messages(captured=bool(captures))
    defined = _definitions(sources, out.warnings)
    collected = _Collected(out)
    for path in captures:
        with open_capture(path, form, options.tracefmt_prefix()) as log:
            for done in _steps(log, collected):
                if progress is not None:
                    progress(done, log.size)
            out.warnings += [f"{path}: {line}" for line in log.warnings]
    _define(out, collected, defined, sources)
    if collected.left_out:
        out.warnings.append(
            f"{collected.left_out:,} more messages, of too many different ones, were left out"
        )
    return out


def _steps(log: Log | TextLog, collected: _Collected) -> Iterator[int]:
    """Read a capture; give after each chunk how many bytes have been read."""
    if isinstance(log, TextLog):
        for lines in log.chunks():
            collected.add_texts(lines.text)
            yield lines.done
        return
    for chunk in log.chunks():
        collected.add(chunk, log.header.pointer_size)
        yield chunk.done


class _Collected:
    """What occurs in captures: counts, and the first bytes of each message."""

    def __init__(self, out: Messages) -> None:
        self.out = out
        self.wpp: Counter[Key] = Counter()
        #: The first payload of each message: bytes, the record's flags, the log's pointer size.
        self.first: dict[Key, tuple[bytes, int, int]] = {}
        self.events: dict[Source, int] = {}
        #: How often each event of a manifest occurs: provider, id, version.
        self.of_manifests: Counter[tuple[UUID, int, int]] = Counter()
        self.left_out = 0

    def add(self, chunk: Chunk, pointer_size: int) -> None:
        """Take the messages of a chunk."""
        kinds = np.bincount(chunk.column("kind"), minlength=256)
        if kinds[Kind.WPP_MESSAGE]:
            self._add_wpp(chunk, pointer_size)
        events = int(kinds[list(_EVENTS)].sum())
        if events:
            self._add_events(chunk)
            self._add_manifest_events(chunk)
        if kinds.sum() > events + kinds[Kind.WPP_MESSAGE]:
            from tracecheck.payload.kernel.decode import decode

            for decoded in decode(chunk, ("DbgPrint",)):
                self.add_texts(decoded.table.column("Message"))

    def add_texts(self, texts: pa.Array) -> None:
        """Take lines of text."""
        counts = texts.value_counts()
        for text, count in zip(counts.field(0).to_pylist(), counts.field(1).to_pylist(), strict=True):
            if text is None or not text.strip():
                continue
            if text in self.out.texts or len(self.out.texts) < MOST_TEXTS:
                self.out.texts[text] += count
            else:
                self.left_out += count

    def _add_wpp(self, chunk: Chunk, pointer_size: int) -> None:
        rows = np.flatnonzero(chunk.column("kind") == Kind.WPP_MESSAGE)
        keys = np.zeros((len(rows), 3), "<u8")
        keys[:, :2], keys[:, 2] = chunk.column("provider")[rows], chunk.column("id")[rows]
        different, first, counts = np.unique(keys, axis=0, return_index=True, return_counts=True)
        for words, at, count in zip(different, rows[first].tolist(), counts.tolist(), strict=True):
            key = UUID(bytes_le=words[:2].tobytes()), int(words[2])
            if key not in self.wpp and len(self.wpp) >= _MOST_KEYS:
                self.left_out += count
                continue
            self.wpp[key] += count
            if key not in self.first:
                start, size = int(chunk.column("payload")[at]), int(chunk.column("payload_size")[at])
                raw = chunk.data[start : start + min(size, _LONGEST_PAYLOAD)].tobytes()
                self.first[key] = raw, int(chunk.column("flags")[at]), pointer_size

    def _add_events(self, chunk: Chunk) -> None:
        """Count TraceLogging events by provider and schema; the canonical provider needs no profile."""
        from tracecheck.payload._slices import distinct_slices

        schema = chunk.column("schema").astype(np.int64)
        rows = np.flatnonzero(schema != 0)
        if not len(rows):
            return
        start = schema[rows]
        size = chunk.data[start - 2].astype(np.int64) | chunk.data[start - 1].astype(np.int64) << 8
        code, schemas = distinct_slices(chunk.data, start, size)
        guids, of = np.unique(chunk.column("provider")[rows], axis=0, return_inverse=True)
        pair = of.reshape(-1).astype(np.int64) * len(schemas) + code
        pairs, first, counts = np.unique(pair, return_index=True, return_counts=True)
        for key, at, count in zip(pairs.tolist(), rows[first].tolist(), counts.tolist(), strict=True):
            guid = UUID(bytes_le=guids[key // len(schemas)].tobytes())
            if guid != PROVIDER:
                self._count_event(guid, schemas[key % len(schemas)], _provider_name(chunk, at), count)

    def _add_manifest_events(self, chunk: Chunk) -> None:
        """Count events that do not describe themselves by provider, id and version."""
        kind = chunk.column("kind")
        rows = np.flatnonzero(np.isin(kind, _EVENTS) & (chunk.column("schema") == 0))
        keys = np.zeros((len(rows), 4), "<u8")
        keys[:, :2] = chunk.column("provider")[rows]
        keys[:, 2], keys[:, 3] = chunk.column("id")[rows], chunk.column("version")[rows]
        different, counts = np.unique(keys, axis=0, return_counts=True)
        for words, count in zip(different, counts.tolist(), strict=True):
            key = UUID(bytes_le=words[:2].tobytes()), int(words[2]), int(words[3])
            if key in self.of_manifests or len(self.of_manifests) < _MOST_KEYS:
                self.of_manifests[key] += count

    def _count_event(self, guid: UUID, described: bytes, name: str, count: int) -> None:
        from tracecheck.payload._schema import SchemaError, parse_schema

        try:
            source = tracelogging_source(parse_schema(described), guid, name)
        except SchemaError:
            return
        if source in self.events or len(self.events) < _MOST_KEYS:
            self.events[source] = self.events.get(source, 0) + count
        else:
            self.left_out += count


def _provider_name(chunk: Chunk, row: int) -> str:
    from tracecheck.payload.tracelogging import provider_traits

    traits = chunk.items(np.array([row])).of_type(Ext.PROV_TRAITS)
    names = provider_traits(chunk.data, traits.start[:1], traits.size[:1]).name.to_pylist()
    return names[0] or "" if names else ""


def _definitions(sources: Sources, warnings: list[str]) -> dict[Key, Definition]:
    """Read all messages of the files that the user named."""
    from tracecheck.payload.wpp.tmf import read_tmf

    found: dict[Key, Definition] = {}

    def take(definitions: Iterable[Definition], problems: Iterable[str]) -> None:
        for definition in definitions:
            found.setdefault((definition.guid, definition.number), definition)
        warnings.extend(problems)

    for path in sources.tmf:
        for file in _tmf_files(path):
            tmf = read_tmf(file)
            take(tmf.definitions, tmf.problems)
    for path in sources.pdb:
        from tracecheck.payload.wpp.pdb import read_annotations

        read = read_annotations(path)
        take(read.definitions, read.problems)
    return found


def _tmf_files(path: Path) -> list[Path]:
    return sorted(path.glob("*.tmf"))[:_MOST_FILES] if path.is_dir() else [path]


def _define(out: Messages, collected: _Collected, defined: dict[Key, Definition], sources: Sources) -> None:
    """Put definitions, counts and examples together."""
    missing = [key for key in collected.wpp if key not in defined]
    if missing:
        catalogue = replace(sources, tmf=(), pdb=()).definitions()
        found = catalogue.of({guid for guid, _ in missing}, missing)
        defined |= {key: found[key] for key in missing if key in found}
        out.warnings += catalogue.warnings
    out.undefined = sum(count for key, count in collected.wpp.items() if key not in defined)
    examples = _examples(collected, defined)
    for key, definition in defined.items():
        seen = replace(of_definition(definition), count=collected.wpp[key], example=examples.get(key, ""))
        out.known.append(Known(wpp_source(definition), seen))
    out.known += _manifest_events(out, collected, sources)
    for source, count in collected.events.items():
        seen = Seen(event=source.name, fields=source.arguments, count=count, example=source.name)
        out.known.append(Known(source, seen))


def _manifest_events(out: Messages, collected: _Collected, sources: Sources) -> Iterator[Known]:
    """Give the events of the manifests that the user named."""
    from tracecheck.operations.profiles.manifests import manifest_source

    manifests = sources.manifests()
    if manifests is None:
        return
    out.warnings += manifests.problems
    for provider in manifests.providers:
        for (number, version), event in provider.events.items():
            source = manifest_source(provider, event)
            count = collected.of_manifests[provider.guid, number, version]
            # A task is what the driver does; a symbol is often that with a number.
            name = event.task or source.name
            seen = Seen(event=name, fields=source.arguments, count=count, example=source.name)
            yield Known(source, seen)


def _examples(collected: _Collected, defined: dict[Key, Definition]) -> dict[Key, str]:
    """Render the first message of each definition."""
    from tracecheck.payload.wpp.decode import decode
    from tracecheck.payload.wpp.text import render

    out: dict[Key, str] = {}
    for size in (4, 8):
        keys = [key for key, first in collected.first.items() if key in defined and first[2] == size]
        if not keys:
            continue
        payloads = [collected.first[key][0] for key in keys]
        lengths = np.array([len(raw) for raw in payloads], np.int64)
        flags = np.array([collected.first[key][1] for key in keys], np.int64)
        data = np.frombuffer(b"".join(payloads), np.uint8)
        definitions = [defined[key] for key in keys]
        start = np.cumsum(lengths) - lengths
        decoded = decode(data, np.arange(len(keys)), definitions, start, lengths, flags, pointer_size=size)
        for each in decoded:
            out[keys[int(each.rows[0])]] = render(each, [0])[0]
    return out
