"""The frames of a stack as the operations table writes them: what each is the name of, and whose it is.

A stack is a text, a frame a line, the innermost first: ``Function (file.c:12)``, ``Function+0x1c``,
``driver.sys+0x1234``; of the kernel, the HAL, the filter manager and tracing ``FLTMGR.SYS!Function+0x1c``;
``0x…`` where the module is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import takewhile

# The kernel, the HAL, the filter manager, and what stands between a driver and its log: these have called, or
# were called by, whoever made the call.
_PLUMBING = re.compile(
    r"(ntoskrnl|ntkr\w*)\.exe|hal\w*\.dll|(fltmgr|wpprecorder|verifierext)\.sys", re.IGNORECASE
)
_PLACE = re.compile(r"(?:\+0x[0-9a-f]+| \([^()]*\))\Z")
_ADDRESS = re.compile(r"0x[0-9a-f]+")
_BETWEEN = " < "


def frames_of(stack: str | None) -> list[str]:
    """Give the frames of a stack, the innermost first; none where no stack was logged."""
    return [frame for frame in stack.split("\n") if frame] if stack else []


def frame_name(frame: str) -> str:
    """Name a frame's function, or its module where that is all that is known; no offset, no line."""
    return "?" if _ADDRESS.fullmatch(frame) else _PLACE.sub("", frame)


def module_is_plumbing(module: str) -> bool:
    """Tell whether a module stands between drivers: the kernel, the HAL, the filter manager, tracing."""
    return _PLUMBING.fullmatch(module) is not None


def own_frames(frames: Iterable[str]) -> list[str]:
    """Give the driver's own frames: those up to the first of the kernel or the filter manager.

    Args:
        frames: The innermost first.
    """
    return list(takewhile(lambda frame: not module_is_plumbing(frame_name(frame).partition("!")[0]), frames))


def normal_stack(frames: Iterable[str]) -> str:
    """Name who made a call, in words that survive another build: the driver's frames, as far as they reach.

    Args:
        frames: The innermost first.

    Returns:
        The names of the frames up to the first that is not the driver's, with `` < `` between them; frames of
        one name that follow each other count as one, since compilers inline as they like.
    """
    names: list[str] = []
    for name in map(frame_name, own_frames(frames)):
        if not names or names[-1] != name:
            names.append(name)
    return _BETWEEN.join(names)
