"""What `profile` prints: the list of profiles, and what a profile makes of messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracecheck.reporters.common import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tracecheck.operations.profiles.draft import Entry
    from tracecheck.operations.profiles.grammar import Message, Profile
    from tracecheck.operations.profiles.usage import Usage, Use

#: How many messages of a kind are listed unless all are asked for.
MOST = 10
_WIDEST = 100
_LOOK = "look like context operations"


def render_list(profiles: Sequence[Profile]) -> Iterator[str]:
    """List profiles: name, title, how many messages they know and how many of them tell of operations."""
    rows = [
        (profile.name, str(len(profile.messages)), str(len(_telling(profile))), profile.title)
        for profile in profiles
    ]
    yield from _table(("name", "messages", "tell", "of"), rows, numeric=(1, 2))


def render_check(
    profile: Profile, usage: Usage | None, *, captured: bool, undefined: int = 0, everything: bool = False
) -> Iterator[str]:
    """Say what a profile binds and what it leaves.

    Args:
        profile: The profile.
        usage: What it makes of the messages; None where there were none to bind it to.
        captured: Whether a capture was read, so that counts mean something.
        undefined: How many WPP messages of the capture have no definition.
        everything: Whether to list all, not the first ones of each kind.
    """
    telling = _telling(profile)
    yield f"{clean(profile.name)}: {clean(profile.title)}\n"
    yield (
        f"  {_many(len(profile.messages), 'message')}: {len(telling)} tell of "
        f"{_many(len(profile.routines()), 'routine')}, {len(profile.messages) - len(telling)} ignored\n"
    )
    yield from _coverage(profile)
    most = None if everything else MOST
    if usage is None:
        yield from _declared(telling, most)
        return
    told = [use for use in usage.used if not use.message.ignore]
    yield from _bound(told, len(telling), captured, most)
    yield from _left(usage.left, captured, most)
    yield from _unused([each for each in usage.unused if not each.ignore], captured, most)
    if undefined:
        yield f"\nhas no definition: {_many(undefined, 'WPP message')}; give the driver's --pdb or --tmf\n"
    for problem in usage.problems:
        yield f"\nproblem: {clean(problem)}\n"


def _coverage(profile: Profile) -> Iterator[str]:
    covered = profile.coverage
    if covered is None:
        yield "  coverage: not declared, so that no finding is more than probable\n"
        return
    for word, routines in (
        ("complete", covered.complete),
        ("partial", covered.partial),
        ("silent", covered.silent),
    ):
        if routines:
            yield f"  {word}: {', '.join(sorted(routines))}\n"
    if covered.note:
        yield f"  note: {clean(covered.note)}\n"


def _declared(telling: Sequence[Message], most: int | None) -> Iterator[str]:
    yield "\ndeclares:\n"
    for message in telling[:most]:
        yield from _item(_meaning(message), message.text or message.event)
    yield from _more(len(telling), most)


def _bound(told: Sequence[Use], all_: int, captured: bool, most: int | None) -> Iterator[str]:
    yield f"\nbinds {len(told)} of {all_}:\n" if told else f"\nbinds none of {all_}\n"
    listed = sorted(told, key=lambda use: -use.count)[:most]
    width = max((len(f"{use.count:,}") for use in listed), default=0)
    for use in listed:
        times = f"{use.count:>{width},} x  " if captured else ""
        yield from _item(
            f"{times}{_meaning(use.message)}", use.example or use.message.text or use.message.event
        )
    yield from _more(len(told), most)


def _left(left: Sequence[Entry], captured: bool, most: int | None) -> Iterator[str]:
    if not left:
        yield "\nleaves nothing that looks like a context operation\n"
        return
    yield f"\nleaves {len(left)} that {'looks like a context operation' if len(left) == 1 else _LOOK}:\n"
    for entry in sorted(left, key=lambda entry: -entry.seen.count)[:most]:
        times = f"{entry.seen.count:,} x  " if captured else ""
        text = entry.seen.example or entry.seen.text or entry.seen.event
        yield from _item(f"{times}{entry.guess.routine}? {entry.guess.tells}", text)
    yield from _more(len(left), most)


def _unused(unused: Sequence[Message], captured: bool, most: int | None) -> Iterator[str]:
    if not unused:
        return
    yield f"\n{'never occur' if captured else 'are not defined'}: {len(unused)}\n"
    for message in unused[:most]:
        yield f"  {message.number:>4}  {_short(message.text or message.event)}\n"
    yield from _more(len(unused), most)


def _meaning(message: Message) -> str:
    """Say in one line what a message means."""
    given = [f"{what}={argument}" for what, argument in message.arguments.items()]
    given += [f"when {each.argument} is {'not ' * each.negated}{each.value}" for each in message.when]
    return f"{message.routine} {message.tells.name.lower()}{': ' * bool(given)}{', '.join(given)}"


def _item(head: str, text: str) -> Iterator[str]:
    yield f"  {clean(head)}\n"
    yield f"      {_short(text)}\n"


def _telling(profile: Profile) -> list[Message]:
    return [message for message in profile.messages if not message.ignore]


def _short(text: str) -> str:
    line = clean(" ".join(text.split()))
    return line if len(line) <= _WIDEST else f"{line[: _WIDEST - 3]}..."


def _more(count: int, most: int | None) -> Iterator[str]:
    if most is not None and count > most:
        yield f"  and {count - most} more; --all lists them\n"


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: Iterable[int] = ()
) -> Iterator[str]:
    """Write rows below their heads, in columns as wide as they need; the last is not padded."""
    if not rows:
        return
    numeric = frozenset(numeric)
    widths = [max(len(row[place]) for row in (heads, *rows)) for place in range(len(heads))]
    for row in (heads, *rows):
        cells = [
            cell.rjust(width) if place in numeric else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield f"{'  '.join(cells).rstrip()}\n"
