"""What a message's text most likely tells of a filter context: routine, arguments, intent or outcome.

Guesses for :mod:`tracecheck.operations.profiles.draft`, which a person reads and corrects. Pure functions of
texts; nothing here is used to judge a capture.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from tracecheck.fltmgr import ROUTINES, TYPE_NAMES, ContextType, Effect
from tracecheck.operations.profiles import words

_FIXED = {
    Effect.ALLOCATE: "FltAllocateContext",
    Effect.RELEASE: "FltReleaseContext",
    Effect.REFERENCE: "FltReferenceContext",
    Effect.DELETE: "FltDeleteContext",
    Effect.CLEANUP: "ContextCleanup",
}
#: What returns nothing, or is told of just before it is called: one line is all of it.
_AT_ONCE = frozenset({Effect.RELEASE, Effect.REFERENCE, Effect.DELETE, Effect.CLEANUP, Effect.USE})
_MANY = frozenset(
    {Effect.GET_MANY, Effect.RELEASE_MANY, Effect.UNLOAD, Effect.UNREGISTER, Effect.TEARDOWN_COMPLETE}
)
_PLACE = frozenset({"file_object", "stream"})

# What a message says stands at its beginning; a text may be made to take long.
_LONGEST = 1024


@dataclass(frozen=True)
class Guess:
    """What a message most likely means.

    Attributes:
        routine: Of :data:`tracecheck.fltmgr.ROUTINES`.
        tells: "intent", "failure", "success" or "result".
        arguments: What it is -> number of the conversion, from 1.
        constants: What it is -> value.
        when: Number of a conversion -> the value that it must have.
        replace_flag: Whether the argument ``operation`` is a boolean that asks to replace.
        first: The routine whose next line names the allocated context; "" where none has to.
        weak: Whether it may well be no operation: a context of no type that the filter manager has, or a
            function of the driver that makes several calls.
        doubts: What is not sure, a line each.
    """

    routine: str
    tells: str = "result"
    arguments: dict[str, int] = field(default_factory=dict)
    constants: dict[str, str | int] = field(default_factory=dict)
    when: dict[int, str] = field(default_factory=dict)
    replace_flag: bool = False
    first: str = ""
    weak: bool = False
    doubts: tuple[str, ...] = ()


def guess(text: str, function: str = "", expressions: tuple[str, ...] = ()) -> Guess | None:
    """Guess what a message means.

    Args:
        text: Its printf format, or its text.
        function: The function that writes it, where it is known.
        expressions: The driver's source text of each argument, where it is known.

    Returns:
        The guess; None where the text has none of the words.
    """
    text = text[:_LONGEST].replace("\\n", "\n").replace("\\t", "\t")
    said = words.said(text)
    found = _of_routine(text, said) or _of_callback(text, said) or _of_words(text, said)
    found = found or _of_function(said, [*words.functions(text), function])
    return None if found is None else _finished(found, text, said, expressions)


def _outcome(said: str) -> str:
    if words.FAILED.search(said):
        return "failure"
    if words.SUCCEEDED.search(said):
        return "success"
    return "intent" if words.ONGOING.search(said) else "result"


def _of_routine(text: str, said: str) -> Guess | None:
    """Take the routine that the text names."""
    named = words.routines(text)
    if not named:
        return None
    doubts = (f"the text names {', '.join(named)}",) if len(named) > 1 else ()
    tells = _outcome(said)
    if ROUTINES[named[0]].effect in _AT_ONCE or ROUTINES[named[0]].effect in _MANY:
        tells = "failure" if tells == "failure" else "result"
    elif tells in ("result", "intent") and "status" not in words.numbers(text):
        tells, doubts = "intent", (*doubts, "whether it is written before the call")
    elif tells == "intent":
        tells = "result"
    kinds = words.context_types(text)
    return _typed(Guess(named[0], tells, doubts=doubts), kinds[0] if kinds else None)


def _of_callback(text: str, said: str) -> Guess | None:
    """Take a line of one of the driver's callbacks."""
    if words.UNLOADS.search(text):
        return Guess("FilterUnload", constants={"phase": 1})
    for routine, pattern in words.CALLBACKS:
        match = pattern.search(said)
        if match is not None:
            phase = 1 if words.BEGINS.search(said) else 2 if words.ENDS.search(said[match.end() :]) else 0
            doubts = () if phase else ("whether the callback begins or ends here",)
            return Guess(routine, constants={"phase": phase} if phase else {}, doubts=doubts)
    return None


def _of_words(text: str, said: str) -> Guess | None:
    """Take the verb and the type of context that the text names."""
    for routine, pattern in words.SECTIONS:
        if pattern.search(said) and not words.CONTEXT.search(said):
            return Guess(routine, _outcome(said))
    kinds = words.context_types(said)
    kind = kinds[0] if kinds else None
    if kind is None and not words.CONTEXT.search(said):
        return None
    doubts = (f"it also names a {TYPE_NAMES[kinds[1]].lower()} context",) if len(kinds) > 1 else ()
    if words.SETTLED.search(said) and kind not in (None, ContextType.SECTION):
        status = {"status": "STATUS_FLT_CONTEXT_ALREADY_DEFINED"}
        return Guess(_routine(Effect.SET, kind), "failure", constants=dict(status), doubts=doubts)
    spoken = words.said(text, labels=False)
    found = next(((e, m) for e, pattern in words.VERBS if (m := pattern.search(spoken))), None)
    if found is None:
        shows = "context" in words.pointers(text)
        return _typed(Guess("ContextUse", weak=True, doubts=("it shows a context",)), kind) if shows else None
    effect, verb = found
    weak = effect is Effect.ALLOCATE and verb[0].lower().startswith("creat")
    if weak:
        doubts = (*doubts, "an allocation, or a function that gets, allocates and sets")
    typeless = kind is None and effect in (Effect.ALLOCATE, Effect.GET, Effect.SET)
    if typeless:
        doubts = (*doubts, "which type of context, and whether it is the filter manager's")
        kind = None if effect is Effect.ALLOCATE else ContextType.STREAM
    routine = _routine(effect, kind)
    found_guess = Guess(routine, _outcome(said), weak=weak or typeless, doubts=doubts)
    return _typed(found_guess, kind)


def _of_function(said: str, functions: list[str]) -> Guess | None:
    """Take the name of a function of the driver that failed: ``DfAllocateStreamContext``."""
    if not words.FAILED.search(said):
        return None
    for function in functions:
        kinds = words.context_types(function)
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", function)
        effect = next((effect for effect, pattern in words.VERBS if pattern.search(name)), None)
        if kinds and effect is not None and re.search(r"(?:Context|Ctx)$", function.rstrip("!.")):
            several = bool(re.search(r"\bOr\b", name)) or "Creat" in name
            doubts = (f"{function} is the driver's own",)
            return _typed(Guess(_routine(effect, kinds[0]), "failure", weak=several, doubts=doubts), kinds[0])
    return None


def _routine(effect: Effect, kind: ContextType | None) -> str:
    if effect in _FIXED:
        return _FIXED[effect]
    name = f"Flt{'Set' if effect is Effect.SET else 'Get'}{TYPE_NAMES[kind or ContextType.STREAM]}Context"
    return name if name in ROUTINES else "FltCreateSectionForDataScan"


def _typed(found: Guess, kind: ContextType | None) -> Guess:
    """Add the context's type where the routine does not tell it."""
    if kind is None or ROUTINES[found.routine].context_type or ROUTINES[found.routine].effect is Effect.NONE:
        return found
    return replace(found, constants=found.constants | {"context_type": TYPE_NAMES[kind].lower()})


def _finished(found: Guess, text: str, said: str, expressions: tuple[str, ...]) -> Guess:
    """Add the arguments, and correct by them what is told."""
    named = words.pointers(text, expressions)
    if words.SETTLED.search(said) and "context" in named:
        named.setdefault("old_context", named.pop("context"))
    found = _by_arguments(found, text, named)
    effect = ROUTINES[found.routine].effect
    if effect in _AT_ONCE and "old_context" in named:
        named.setdefault("context", named.pop("old_context"))
        named.pop("old_context", None)
    named |= words.numbers(text, expressions)
    found = replace(found, replace_flag="operation" in named)
    exact = words.exact(text)
    named |= exact
    if effect in (Effect.GET_MANY, Effect.RELEASE_MANY):
        named = {what: n for what, n in named.items() if what != "context"} | words.members(text)
    if "operation" in exact:
        found = replace(found, replace_flag=False)
    if found.tells == "failure" and "status" not in named and "status" not in found.constants:
        status = words.bare_status(text)
        if status and status not in named.values():
            named["status"] = status
    return replace(found, arguments=_fitting(named, found), first=_first(found, named))


def _by_arguments(found: Guess, text: str, named: dict[str, int]) -> Guess:
    """Correct what is told by what the message can know."""
    effect, tells = ROUTINES[found.routine].effect, found.tells
    made = words.made(text)
    if effect in _AT_ONCE or effect not in (Effect.ALLOCATE, Effect.GET, Effect.SET):
        return replace(found, tells=tells if effect not in _AT_ONCE or tells == "failure" else "result")
    if made and "context" in named and tells != "failure":
        doubt = "where the flag is set, a set, or the release of the old context, tells it"
        return replace(found, tells="success", when={made: "0"}, doubts=(*found.doubts, doubt), weak=False)
    if "status" in words.numbers(text) and tells != "failure":
        return replace(found, tells="result")
    if effect is Effect.GET and tells in ("intent", "result") and "context" in named:
        # Before a get nobody knows which context it will return.
        return replace(found, tells="success")
    if effect is Effect.ALLOCATE and tells == "intent" and "context" in named:
        return replace(found, tells="result")
    return found


def _fitting(named: dict[str, int], found: Guess) -> dict[str, int]:
    """Leave out the arguments that the routine has no use for."""
    routine = ROUTINES[found.routine]
    unfit = set() if routine.effect is Effect.SET else {"operation"}
    unfit |= set() if routine.effect is Effect.ALLOCATE else {"size", "pool", "pool_tag"}
    if routine.attached_to in ("instance", "volume") or routine.effect in (Effect.NONE, Effect.UNLOAD):
        unfit |= _PLACE
    if routine.effect in (Effect.NONE, Effect.UNLOAD, Effect.TEARDOWN_COMPLETE):
        unfit |= {"context", "old_context"}
    if routine.effect not in (Effect.SET, Effect.DELETE_BY_OBJECT):
        unfit.add("old_context")
    if found.tells == "intent" or routine.effect in _AT_ONCE:
        unfit.add("status")
    return {what: number for what, number in named.items() if what not in unfit}


def _first(found: Guess, named: dict[str, int]) -> str:
    """Name the routine that will first name an allocated context; "" where none has to."""
    effect = ROUTINES[found.routine].effect
    kind = found.constants.get("context_type")
    if effect is not Effect.ALLOCATE or found.tells != "intent" or "context" in named or kind is None:
        return ""
    return next(_routine(Effect.SET, k) for k, name in TYPE_NAMES.items() if name.lower() == kind)
