"""The words of driver messages: verbs, types of contexts, labels of arguments. Tables, and what reads them.

The words are those of public minifilters; what a message means is only ever guessed from them
(:mod:`tracecheck.operations.profiles.guess`).
"""

from __future__ import annotations

import re

from tracecheck.fltmgr import ROUTINES, TYPE_NAMES, ContextType, Effect

#: A conversion of printf or WPP in a format string.
CONVERSION = re.compile(
    r"%(?:%|!\w{1,64}!|[-+ 0#]*(?:\d{1,4}|\*)?(?:\.(?:\d{1,4}|\*)?)?(?:hh|h|ll|l|I64|I32|I|w|z|t|j|L)?"
    r"[diuxXoOcCsSpfFeEgGaAZ])"
)
# Stands for a conversion, whose letters would look like a name's.
_MARK = "%0"
_NO_ARGUMENT = frozenset({"%!FUNC!", "%!FILE!", "%!LINE!", "%!LEVEL!", "%!FLAGS!"})
_STATUS_FORMS = frozenset({"%!STATUS!", "%!HRESULT!", "%!WINERROR!"})

# "[Ctx]: ", "***[AV] ", "SwapBuffers!SwapPreRead: ": who speaks.
_SPEAKER = re.compile(r"^\W{0,8}(?:\[\w{1,32}\]:?|\w{1,32}!(?:\w{1,64}:)?)")
# Names of the driver's functions and variables: their words are not what the message says.
_NAME = r"\b(?=\w*[a-z])(?:\w*[a-z0-9][A-Z]\w*|[A-Z]\w*_\w+)\b"
_IDENTIFIER = re.compile(_NAME)
# Those that label no argument ("StreamContext = %p" does).
_NO_LABEL = re.compile(_NAME + r"(?!\s*[=:(]\s*(?:0x)?%)(?:\s*(?:->|:))?")

# The longer before the shorter that it holds.
_TYPES = (
    (ContextType.STREAMHANDLE, r"stream[ _-]?handle"),
    (ContextType.TRANSACTION, r"transaction|\btx"),
    (ContextType.SECTION, r"section"),
    (ContextType.INSTANCE, r"instance"),
    (ContextType.VOLUME, r"volume|\bvol"),
    (ContextType.STREAM, r"stream"),
    (ContextType.FILE, r"file"),
)
_OF_CONTEXT = tuple((kind, re.compile(rf"(?:{words})[ _]?(?:context|ctx)", re.I)) for kind, words in _TYPES)
CONTEXT = re.compile(r"\b(?:context|ctx)s?\b", re.I)

FAILED = re.compile(
    r"\bfail\w*|\berror\b|\bunable\b|\bcannot\b|\bcan't\b|\bcould ?n[o']t\b|\bunsuccessful\w*"
    r"|\breturn(?:s|ed)? null\b|\bnot found\b",
    re.I,
)
SUCCEEDED = re.compile(r"\bsucce\w+", re.I)
#: A set that lost the race.
SETTLED = re.compile(r"\balready (?:defined|exists|set)\b|\brace\b", re.I)
ONGOING = re.compile(
    r"\b(?:allocat|creat|replac|sett|gett|find|look|attach|delet|remov|clos)ing\b"
    r"|\btry(?:ing)? to\b|\bbefore\b",
    re.I,
)
#: Verb -> what it does; of a text that has several the first of the list counts.
VERBS = (
    (Effect.CLEANUP, re.compile(r"\bclean(?:ing|ed|s)?[ -]?up\b", re.I)),
    (Effect.RELEASE, re.compile(r"\breleas\w*|\bderef\w*|\bdropp\w*", re.I)),
    (Effect.ALLOCATE, re.compile(r"\balloc\w*", re.I)),
    (
        Effect.GET,
        re.compile(r"\bg[eo]t(?:ting|s)?\b|\bfind(?:ing|s)?\b|\bfound\b|\blook(?:ing|ed)? ?up\b", re.I),
    ),
    (Effect.SET, re.compile(r"\bset(?:ting|s)?\b|\battach\w*|\breplac\w*", re.I)),
    (Effect.DELETE, re.compile(r"\bdelet\w*|\bremov\w*|\bdetach\w*", re.I)),
    (Effect.REFERENCE, re.compile(r"\breferenc\w*|\badd ?ref\w*", re.I)),
    (Effect.ALLOCATE, re.compile(r"\bcreat\w*", re.I)),
)
SECTIONS = (
    ("FltCloseSectionForDataScan", re.compile(r"\bclos\w+ section\b", re.I)),
    ("FltCreateSectionForDataScan", re.compile(r"\bcreat\w+ section (?:for|object)\b", re.I)),
)
CALLBACKS = (
    ("InstanceTeardownComplete", re.compile(r"\binstance teardown complete\b", re.I)),
    ("InstanceTeardownStart", re.compile(r"\binstance teardown start\b", re.I)),
    ("InstanceSetup", re.compile(r"\binstance setup\b", re.I)),
    ("FilterUnload", re.compile(r"\bunloading (?:the )?(?:driver|filter)\b|\bfilter unload\b", re.I)),
)
#: A function of the driver whose name says that it is the unload callback.
UNLOADS = re.compile(r"\w*Unload(?:Callback)?\b\W{1,4}(?:enter|start|begin|called)", re.I)
BEGINS = re.compile(r"\b(?:started|enter\w*|begin\w*|invoked|unloading)\b", re.I)
ENDS = re.compile(r"\b(?:ended|complete\w*|exit\w*|leav\w*|done)\b", re.I)

# What stands before a conversion -> what the argument is.
_POINTERS = (
    ("old_context", re.compile(r"old[\w ]*(?:context|ctx)$", re.I)),
    ("context", re.compile(r"(?:context|ctx)$", re.I)),
    ("file_object", re.compile(r"file[ _]?obj(?:ect)?$|\bfo$", re.I)),
    ("instance", re.compile(r"inst(?:ance)?$", re.I)),
    ("volume", re.compile(r"vol(?:ume)?$", re.I)),
    ("transaction", re.compile(r"(?:transaction|\btx)$", re.I)),
    ("filter", re.compile(r"filter$", re.I)),
    ("stream", re.compile(r"(?:fs ?context|scb|fcb|^stream)$", re.I)),
)
_NUMBERS = (
    ("status", re.compile(r"status$|\brc$|\berror$|^sta$", re.I)),
    ("operation", re.compile(r"replace(?:[ _]?if[ _]?exists)?$", re.I)),
    ("major", re.compile(r"major(?: ?function)?$|\brq$", re.I)),
    ("irql", re.compile(r"irql$", re.I)),
    ("context_type", re.compile(r"(?:context|ctx) ?type$", re.I)),
)
# Labels that say exactly what they are, whatever the conversion.
_EXACT = {
    "contexttype": "context_type",
    "operation": "operation",
    "oldrequested": "old_requested",
    "pagingfile": "paging_file",
    "ownerid": "owner_id",
    "instanceid": "instance_id",
    "freecallback": "free_callback",
    "irql": "irql",
    "majorfunction": "major",
    "phase": "phase",
    "size": "size",
    "pooltype": "pool",
    "pooltag": "pool_tag",
    "sequence": "sequence",
    "begin": "begin",
}
_LABEL = re.compile(
    r"([A-Za-z_][\w>.-]{0,60}(?: [\w>.-]{1,60}){0,2})\s*(?:[=:(,]|\bwith\b|\bis\b)?\s*\(?(?:0[xX])?$"
)
_MADE = re.compile(r"(?:created|replaced)$", re.I)
_SMALL_HEX = re.compile(r"%[-+ 0#]*\d*l?[xX]$")


def arguments(text: str) -> list[tuple[str, str]]:
    """List the conversions of a format that are arguments: (what stands before it, conversion)."""
    out, at = [], 0
    for match in CONVERSION.finditer(text):
        if match[0] != "%%" and match[0].upper() not in _NO_ARGUMENT:
            out.append((text[at : match.start()], match[0]))
            at = match.end()
    return out


def said(text: str, *, labels: bool = True) -> str:
    """Give what a message says itself: without who speaks, names of functions and conversions.

    Args:
        text: The format.
        labels: Whether names that label an argument stay.
    """
    marked = CONVERSION.sub(_MARK, _SPEAKER.sub("", text))
    return (_NO_LABEL if labels else _IDENTIFIER).sub(" ", marked).replace(_MARK, " ")


def functions(text: str) -> list[str]:
    """List the names of functions that a message speaks of, apart from who speaks ("Name: ", "Name -> ")."""
    marked = CONVERSION.sub(_MARK, _SPEAKER.sub("", text))
    names = [match[0].strip() for match in _NO_LABEL.finditer(marked)]
    return [name for name in names if not name.endswith((":", "->"))]


def routines(text: str) -> list[str]:
    """List the routines that a text names, of those that touch contexts."""
    words = re.findall(r"\b[A-Z]\w+", text)
    unsaid = (Effect.NONE, Effect.CAPTURE_START)
    return [w for w in dict.fromkeys(words) if w in ROUTINES and ROUTINES[w].effect not in unsaid]


def context_types(text: str) -> list[ContextType]:
    """List the types of contexts that a text names, in its order."""
    hits: list[tuple[int, int, ContextType]] = []
    for kind, words in _OF_CONTEXT:
        for match in words.finditer(text):
            if not any(start < match.end() and match.start() < end for start, end, _ in hits):
                hits.append((match.start(), match.end(), kind))
    return list(dict.fromkeys(kind for _, _, kind in sorted(hits)))


def pointers(text: str, expressions: tuple[str, ...] = ()) -> dict[str, int]:
    """Tell which argument is which address: by what stands before it, else by the driver's own expression.

    Args:
        text: The format.
        expressions: The driver's source text of each argument, where it is known.

    Returns:
        What it is -> the number of its conversion, from 1.
    """
    return _labelled(text, expressions, "p", _POINTERS)


def numbers(text: str, expressions: tuple[str, ...] = ()) -> dict[str, int]:
    """Tell which argument is which number, as :func:`pointers` does."""
    out = _labelled(text, expressions, "xXdiu", _NUMBERS)
    for number, (_, form) in enumerate(arguments(text), 1):
        if form.upper() in _STATUS_FORMS:
            out["status"] = number
            break
    return out


def exact(text: str) -> dict[str, int]:
    """Tell which arguments are labelled by the very names of what they are (``Irql=%s``)."""
    out: dict[str, int] = {}
    for number, (before, _) in enumerate(arguments(text), 1):
        match = re.search(r"(\w{1,32})\s*=\s*(?:0[xX])?$", before[-64:])
        what = _EXACT.get(match[1].lower()) if match is not None else None
        if what is not None:
            out.setdefault(what, number)
    return out


def members(text: str) -> dict[str, int]:
    """Tell which arguments are members of FLT_RELATED_CONTEXTS (``StreamHandleContext=%p``)."""
    out: dict[str, int] = {}
    for number, (before, form) in enumerate(arguments(text), 1):
        label = _LABEL.search(before[-256:])
        kinds = context_types(label[1]) if label is not None and form[-1] == "p" else []
        if kinds:
            name = TYPE_NAMES[kinds[0]]
            what = f"{'stream_handle' if name == 'StreamHandle' else name.lower()}_context"
            out.setdefault(what, number)
    return out


def bare_status(text: str) -> int:
    """Tell which argument of a failure is an unnamed status: a last hexadecimal; 0 for none."""
    found = [number for number, (_, form) in enumerate(arguments(text), 1) if _SMALL_HEX.fullmatch(form)]
    return found[-1] if found and found[-1] == len(arguments(text)) else 0


def made(text: str) -> int:
    """Tell which argument says whether a context was made instead of found (``Created = %x``); 0 for none."""
    for number, (before, form) in enumerate(arguments(text), 1):
        label = _LABEL.search(before[-256:])
        if form[-1] in "xXdiu" and label is not None and _MADE.search(label[1]):
            return number
    return 0


def _labelled(
    text: str, expressions: tuple[str, ...], letters: str, table: tuple[tuple[str, re.Pattern[str]], ...]
) -> dict[str, int]:
    out: dict[str, int] = {}
    for number, (before, form) in enumerate(arguments(text), 1):
        if form[-1] not in letters:
            continue
        label = _LABEL.search(before[-256:])
        sources = [label[1]] if label else []
        sources += [expressions[number - 1].strip()] if number <= len(expressions) else []
        for source in sources:
            what = next((name for name, words in table if words.search(source)), None)
            if what is not None:
                out.setdefault(what, number)
                break
    return out
