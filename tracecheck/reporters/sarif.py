"""`check --format sarif`: SARIF 2.1.0, for code-scanning pages and editors.

Source: OASIS, Static Analysis Results Interchange Format (SARIF) Version 2.1.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecheck.operations.frames import frames_of
from tracecheck.operations.places import Place, file_uri, place_of
from tracecheck.reporters.blamed import blamed
from tracecheck.reporters.calls import call_site
from tracecheck.reporters.common import clean, dump, iso_time, pointer, rows
from tracecheck.reporters.json_report import type_name
from tracecheck.reporters.lookup import Lookup, Row, ordered
from tracecheck.rules import RULES
from tracecheck.rules.book import BookError, page

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from tracecheck.triage import Suppression, Triage

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_FINGERPRINT = "tracecheckSignature/v1"
_LEVELS = {"error": "error", "warning": "warning", "note": "note"}
# What pages sort by: how sure a finding is, as a number from 0 to 100.
_RANKS = {"definite": 95.0, "probable": 70.0, "possible": 30.0}
#: How many steps of a life are told as a code flow: pages show no more, and some refuse more.
MOST_STEPS = 200
#: How many results have their code flow, the worst and surest ones; a page of more is read by nobody.
MOST_FLOWS = 2_000
#: How many of the operations that prove a finding tell their stacks.
MOST_STACKS = 4
_SOURCES = "SRCROOT"


def render(judged: Triage, version: str) -> Iterator[str]:
    """Write what was found as a SARIF log of one run.

    Args:
        judged: The findings that count, and those that are suppressed or known.
        version: That of the program.

    Yields:
        Pieces of one JSON object, ASCII only.
    """
    analysis = judged.analysis
    rules = sorted(RULES)
    yield f'{{"$schema": {dump(_SCHEMA)},\n "version": "2.1.0",\n "runs": [{{\n'
    yield f'  "tool": {dump({"driver": _driver(rules, version)})},\n'
    yield '  "columnKind": "unicodeCodePoints",\n'
    base = {_SOURCES: {"description": {"text": "The driver's source tree, which the trace does not name."}}}
    yield f'  "originalUriBaseIds": {dump(base)},\n'
    yield f'  "invocations": [{dump(_invocation(judged))}],\n'
    yield f'  "properties": {dump(_summary(judged))},\n'
    yield '  "results": ['
    lookup, first = Lookup(analysis), True
    for findings, state, by in _parts(judged):
        found = ordered(findings) if by is None else rows(findings)
        operations = lookup.operations(number for finding in found for number in finding["operations"])
        blame = blamed(analysis) if findings is analysis.findings else {}
        for place, finding in enumerate(found):
            proof = [operations[number] for number in finding["operations"]]
            told = finding["context_id"] is not None and place < MOST_FLOWS
            steps = lookup.steps(finding["context_id"]) if told else []
            result = _result(finding, proof, steps, rules, blame.get(finding.get("row", -1)))
            if state:
                result["baselineState"] = state
            if by is not None:
                result["suppressions"] = [{"kind": "external", "justification": clean(by[place].reason)}]
            yield f"{'' if first else ','}\n   {dump(result)}"
            first = False
    yield "\n  ]\n }]}\n"


def _parts(judged: Triage) -> Iterator[tuple[pa.Table, str, Sequence[Suppression] | None]]:
    """Give the findings in parts: the table, their state against the baseline, and who suppresses them."""
    yield judged.analysis.findings, "new" if judged.compared else "", None
    if judged.known is not None:
        yield judged.known, "unchanged", None
    yield judged.suppressed, "", judged.by


def _driver(rules: Sequence[str], version: str) -> dict[str, Any]:
    return {
        "name": "tracecheck",
        "version": version,
        "semanticVersion": version,
        "rules": [_rule(code) for code in rules],
    }


def _rule(code: str) -> dict[str, Any]:
    """Describe a rule, in the words of the book."""
    rule = RULES[code]
    described = {
        "id": code,
        "name": "".join(word.capitalize() for word in rule.title.replace("/", " ").split()),
        "shortDescription": {"text": rule.title},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }
    try:
        told = page(code)
    except BookError:
        return described
    described["fullDescription"] = {"text": told.means}
    described["help"] = {"text": f"{told.bug}\n\n{told.fix}"}
    return described


def _invocation(judged: Triage) -> dict[str, Any]:
    """Tell how the run went; what could not be read, and what is missing, are notifications."""
    analysis = judged.analysis
    told = [*analysis.warnings, *analysis.verdict.reasons, *analysis.notes]
    return {
        "executionSuccessful": True,
        "toolExecutionNotifications": [
            {"level": "warning", "message": {"text": clean(text)}} for text in told[:MOST_STEPS]
        ],
    }


def _summary(judged: Triage) -> dict[str, Any]:
    analysis = judged.analysis
    return {
        "verdict": analysis.verdict.word,
        "captures": [clean(path) for path in analysis.paths],
        "contexts": analysis.contexts.num_rows,
        "operations": analysis.operations.num_rows,
        "advice": [clean(text) for text in analysis.verdict.advice],
    }


def _result(
    finding: Row, proof: list[Row], steps: list[Row], rules: Sequence[str], blame: Row | None
) -> dict[str, Any]:
    """Describe a finding: where, what, its signature, and the life of its context as a code flow."""
    result: dict[str, Any] = {
        "ruleId": finding["rule"],
        "ruleIndex": rules.index(finding["rule"]),
        "level": _LEVELS[finding["severity"]],
        "kind": "fail",
        "rank": _RANKS[finding["confidence"]],
        "message": {"text": _message(finding, blame)},
        "partialFingerprints": {_FINGERPRINT: finding["signature"]},
        "locations": [_location(proof[0])] if proof else [],
        "properties": {
            "confidence": finding["confidence"],
            "reasons": [clean(reason) for reason in finding["reasons"]],
            "context": pointer(finding["context"]),
            "generation": finding["generation"],
            "contextType": type_name(finding["context_type"]),
            "time": iso_time(finding["time"]),
        },
    }
    stacks = _stacks(proof)
    if stacks:
        result["stacks"] = stacks
    if steps:
        result["codeFlows"] = [_flow(steps, set(finding["operations"]))]
    return result


def _message(finding: Row, blame: Row | None) -> str:
    kind = type_name(finding["context_type"])
    where = ""
    if finding["context"] is not None:
        life = "" if finding["generation"] is None else f" #{finding['generation']}"
        where = f" ({f'{kind} ' if kind else ''}context {pointer(finding['context'])}{life})"
    who = "" if blame is None else f". {clean(blame['text'])}"
    return f"{clean(finding['message'])}{where}; {finding['confidence']}{who}"


def _location(operation: Row) -> dict[str, Any]:
    """Tell where a call was made, as far as the trace does."""
    return _place(place_of(operation["site"], operation["function"]))


def _place(place: Place) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if place.file:
        physical: dict[str, Any] = {"artifactLocation": {"uri": file_uri(place.file), "uriBaseId": _SOURCES}}
        if place.line:
            physical["region"] = {"startLine": place.line}
        found["physicalLocation"] = physical
    if place.function:
        found["logicalLocations"] = [{"name": clean(place.function), "kind": "function"}]
    return found


def _stacks(proof: list[Row]) -> list[dict[str, Any]]:
    """Tell the stacks of the first operations that prove a finding; the format wants each only once."""
    found = []
    for operation in proof[:MOST_STACKS]:
        frames = [_frame(frame) for frame in frames_of(operation.get("stack"))]
        stack = {"message": {"text": _call(operation)}, "frames": frames}
        if frames and stack not in found:
            found.append(stack)
    return found


def _frame(frame: str) -> dict[str, Any]:
    """Tell a frame of a stack."""
    location = _place(place_of(frame, None))
    location["message"] = {"text": clean(frame)}
    return {"location": location}


def _call(operation: Row) -> str:
    return (
        f"{clean(operation['routine'])}, pid {operation['pid']}, tid {operation['tid']},"
        f" {iso_time(operation['time'])}"
    )


def _flow(steps: list[Row], proof: set[int]) -> dict[str, Any]:
    """Tell a life as a code flow, a thread flow for each thread; the order is that of the replay."""
    shown = _most_telling(steps, proof)
    threads: dict[str, list[dict[str, Any]]] = {}
    for order, step in enumerate(shown):
        operation = step["operation"]
        name = f"pid {operation['pid']}, tid {operation['tid']}"
        location = _location(operation)
        location["message"] = {"text": _step(step)}
        essential = operation["order"] in proof
        threads.setdefault(name, []).append(
            {
                "location": location,
                "executionOrder": order,
                "executionTimeUtc": iso_time(operation["time"]),
                "importance": "essential" if essential or step["fault"] else "important",
            }
        )
    flow: dict[str, Any] = {
        "threadFlows": [{"id": name, "locations": locations} for name, locations in threads.items()]
    }
    if len(shown) < len(steps):
        flow["message"] = {
            "text": f"{len(shown)} of {len(steps)} operations: the first, the last, and the proof"
        }
    return flow


def _most_telling(steps: list[Row], proof: set[int]) -> list[Row]:
    """Keep the operations that prove a finding, and the first and last ones of a long life."""
    if len(steps) <= MOST_STEPS:
        return steps
    half = MOST_STEPS // 4
    proving = [i for i, step in enumerate(steps) if step["operation"]["order"] in proof][: MOST_STEPS // 2]
    kept = {*range(half), *range(len(steps) - half, len(steps)), *proving}
    return [steps[i] for i in sorted(kept)]


def _step(step: Row) -> str:
    operation = step["operation"]
    delta = step["delta_owned"] + step["delta_link"]
    counts = f"{delta:+d}, then {step['owned']} owned and {step['link']} linked"
    fault = f"; {step['fault']}" if step["fault"] else ""
    site = call_site(operation)
    return f"{clean(operation['routine'])}{f' at {site}' if site else ''}: {counts}{fault}"
