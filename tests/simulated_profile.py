"""A mapping profile for the messages of the simulated drivers, made of the TMF file that they write."""

import re
from dataclasses import replace

from tracecheck.fltmgr import ROUTINES
from tracecheck.simulate import simulate

_MESSAGE = re.compile(r'^#typev \S+ \d+ "%0(?P<text>.*)" //', re.MULTILINE)
_ARGUMENT = re.compile(r"(\w+)=(?:0x)?(?:%\d+!\w+!)|-> %\d+!s!|%\d+!\w+!")
_ROUTINES = frozenset(ROUTINES) - {"CaptureStart"}
_KEYS = {
    "Context": "context",
    "NewContext": "context",
    "OldContext": "old_context",
    "Instance": "instance",
    "FileObject": "file_object",
    "Stream": "stream",
    "Transaction": "transaction",
    "Volume": "volume",
    "Filter": "filter",
    "ContextType": "context_type",
    "Operation": "operation",
    "OldRequested": "old_requested",
    "Size": "size",
    "PoolType": "pool",
    "PoolTag": "pool_tag",
    "Irql": "irql",
    "MajorFunction": "major",
    "Phase": "phase",
    "VolumeContext": "volume_context",
    "InstanceContext": "instance_context",
    "FileContext": "file_context",
    "StreamContext": "stream_context",
    "StreamHandleContext": "stream_handle_context",
    "TransactionContext": "transaction_context",
    "SectionContext": "section_context",
}


def profile_of(tmf):
    """Make a profile for text logs.

    Args:
        tmf: The TMF file of a run without begins (condition ``no-begin``), as text.

    Returns:
        The profile, TOML; it says that all that any routine does is logged.
    """
    parts = ['profile = 1\nname = "sim"\ntitle = "the simulated drivers"\n[coverage]\ncomplete = [']
    parts.append(", ".join(f'"{name}"' for name in sorted(_ROUTINES)) + "]\n")
    texts = dict.fromkeys(match["text"] for match in _MESSAGE.finditer(tmf))
    parts += map(_message, texts)
    return "\n".join(parts)


def _message(text):
    call = text.replace("%!FUNC!", "%s")
    routine = re.search(r"(\w+)\(", text)[1]
    shown = re.sub(r"%\d+!(\w+)!", r"%\1", call)
    lines = ["[[message]]", f"text = {_quoted(shown)}"]
    if routine not in _ROUTINES:
        return "\n".join([*lines, "ignore = true", ""])
    lines.append(f'routine = "{routine}"')
    number = 0
    if "%!FUNC!" in text:
        number, lines = 1, [*lines, "function = 1"]
    for match in _ARGUMENT.finditer(text):
        number += 1
        key = "status" if match[0].startswith("->") else _KEYS.get(match[1] or "")
        if key:
            lines.append(f"{key} = {number}")
    return "\n".join([*lines, ""])


def _quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def text_profile(scenario):
    """Make the profile for the text logs of a scenario's drivers."""
    return profile_of(simulate(replace(scenario, begin=False), "wpp").beside)
