"""Makes the profile of the simulator's messages from the TMF files and manifests beside its captures.

Run as a program it prints the profile.
"""

import json
import sys

from tracecheck.operations.profiles.formats import parse_tmf
from tracecheck.payload.manifest.xml import parse_manifest
from tracecheck.payload.wpp.tmf import parse_tmf as parse_tmf_file
from tracecheck.simulate import Scenario, simulate
from tracecheck.simulate.scenario import Mix

HEAD = """\
# The messages of the drivers that `tracecheck simulate` runs, in every form but the canonical one.
#
# Made by tests/operations/simulated_profile.py from the TMF files and manifests of many runs: one message for
# each set of arguments that a call site logs, with and without the start of the call; and an event for each
# task of the drivers' providers.

profile = 1
name = "simulated"
title = "the drivers of tracecheck simulate"
"""

#: Runs that differ in what call sites log; a definition is made of each site, whether or not it is reached.
RUNS = [
    {"conditions": frozenset(conditions), "begin": begin}
    for conditions in ((), ("lean",), ("relay",), ("lean", "relay"), ("partial",))
    for begin in (True, False)
]

#: Expression of an argument -> what it is; members of FLT_RELATED_CONTEXTS come to these.
ARGUMENTS = {
    "Context": "context",
    "OldContext": "old_context",
    "FileObject": "file_object",
    "Stream": "stream",
    "Instance": "instance",
    "Volume": "volume",
    "Transaction": "transaction",
    "Filter": "filter",
    "Operation": "operation",
    "Status": "status",
    "Irql": "irql",
    "PoolType": "pool",
    "PoolTag": "pool_tag",
    "Size": "size",
    "MajorFunction": "major",
    "Phase": "phase",
    "OldRequested": "old_requested",
    "ContextType": "context_type",
    "PagingFile": "paging_file",
    "OwnerId": "owner_id",
    "InstanceId": "instance_id",
    "FreeCallback": "free_callback",
    "Begin": "begin",
    "Time": "time",
    "ProcessId": "pid",
    "ThreadId": "tid",
    "Processor": "cpu",
}
#: The same for fields of events; a text has its function and its source line from its definition.
FIELDS = ARGUMENTS | {"Sequence": "sequence", "Function": "function", "File": "file", "Line": "line"}
MEMBERS = {
    f"{name}Context": f"{'stream_handle' if name == 'StreamHandle' else name.lower()}_context"
    for name in ("Volume", "Instance", "File", "Stream", "StreamHandle", "Transaction", "Section")
}


def messages(definitions):
    """Give the messages of a profile: text -> the keys of its table."""
    found = {}
    for definition in definitions:
        text, keys = message(definition)
        found.setdefault(text, keys)
        # No other form says when a call began.
        if "begin" in keys:
            found.setdefault(
                text.rpartition(" Begin=")[0], {key: at for key, at in keys.items() if key != "begin"}
            )
    return dict(sorted(found.items()))


def events(providers):
    """Give the events of a profile, a task of each provider: its name -> the keys of its table."""
    found = {}
    for provider in providers:
        # Any driver may be the one that tells of the start, as it is where several captures are one.
        found.setdefault(f"{provider.name}/CaptureStart", {"routine": "CaptureStart"})
        for event in provider.events.values():
            keys = found.setdefault(f"{provider.name}/{event.task}", {"routine": event.task})
            for name in (field.name for field in event.fields):
                known = FIELDS.get(name) or (MEMBERS.get(name) if "Contexts" in event.task else None)
                if known:
                    keys[known] = name
    return {
        name: dict([*keys.items()][:1] + sorted([*keys.items()][1:])) for name, keys in sorted(found.items())
    }


def message(definition):
    """Give the text of a definition as printf's, and what its arguments are."""
    shape = parse_tmf(definition)
    pieces = [shape.literals[0]]
    keys = {}
    routine = shape.literals[0].rpartition(": ")[2].partition("(")[0]
    keys["routine"] = routine
    for number, (conversion, literal) in enumerate(
        zip(shape.conversions, shape.literals[1:], strict=True), 1
    ):
        item = definition.items[conversion.argument]
        name = item.expression
        known = ARGUMENTS.get(name) or (MEMBERS.get(name) if "Contexts" in routine else None)
        if known:
            keys[known] = number
        pieces += [printf(conversion, item, definition.format), literal]
    return "".join(pieces), keys


def printf(conversion, item, text):
    """Give the conversion of printf that prints an argument."""
    if conversion.kind == "status":
        return "%!STATUS!"
    spec = text.partition(f"%{item.number}!")[2].partition("!")[0]
    # Lists, sets and enums have names that only the driver's configuration file knows.
    return "%!NAME!" if spec == "s" and item.type.startswith(("ItemList", "ItemSet")) else f"%{spec}"


def render(found, head, selects="text"):
    """Write a profile, or the part of it that is selected so."""
    lines = [head]
    for text, keys in found.items():
        routine = keys["routine"]
        lines += ["", "[[message]]", f"{selects} = {json.dumps(text)}"]
        if routine == "CaptureStart":
            lines.append("ignore = true")
            continue
        lines += [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join([*lines, ""])


def profile():
    """Write the whole profile."""
    runs = [Scenario(operations=100, drivers=3, mix=Mix(legacy=0.5), **run) for run in RUNS]
    definitions = [
        one for run in runs for one in parse_tmf_file(simulate(run, "wpp").beside, "run.tmf").definitions
    ]
    providers = [
        provider
        for run in runs
        if run.begin
        for provider in parse_manifest(simulate(run, "manifest").beside.encode(), "run.man").providers
    ]
    texts, tasks = messages(definitions), events(providers)
    routines = {keys["routine"] for keys in (*texts.values(), *tasks.values())} - {"CaptureStart"}
    complete = "\n".join(
        ["[coverage]", "complete = [", *(f'    "{name}",' for name in sorted(routines)), "]"]
    )
    return render(texts, f"{HEAD}\n{complete}") + render(tasks, "", "event")


if __name__ == "__main__":
    sys.stdout.write(profile())
