"""What the simulated drivers register, and the statuses they meet that are not the context routines'."""

from typing import NamedTuple

from tracecheck.simulate.objects import (
    FILE,
    INSTANCE,
    SECTION,
    STREAM,
    STREAMHANDLE,
    TRANSACTION,
    VOLUME,
)

# ntstatus.h
STATUS_FILE_LOCK_CONFLICT = 0xC0000054
STATUS_FLT_DO_NOT_ATTACH = 0xC01C000F

# POOL_TYPE.
PAGED = 0x1
NON_PAGED_NX = 0x200

VARIABLE_SIZE = 0xFFFFFFFF


class Registration(NamedTuple):
    """What a driver registers for a type: ``size`` is what it allocates, ``fixed`` whether it says so."""

    size: int
    pool: int
    tag: bytes
    fixed: bool = True

    @property
    def pool_tag(self) -> int:
        """The tag as the number that the kernel keeps."""
        return int.from_bytes(self.tag, "little")


#: What is released at DISPATCH_LEVEL lies in nonpaged pool, and so do volume contexts.
REGISTRATIONS = {
    VOLUME: Registration(0x90, NON_PAGED_NX, b"SmVc"),
    INSTANCE: Registration(0x60, NON_PAGED_NX, b"SmIc"),
    FILE: Registration(0x48, PAGED, b"SmFc"),
    STREAM: Registration(0x78, NON_PAGED_NX, b"SmSc"),
    STREAMHANDLE: Registration(0x38, PAGED, b"SmHc"),
    TRANSACTION: Registration(0xA0, PAGED, b"SmTc", fixed=False),
    SECTION: Registration(0x50, NON_PAGED_NX, b"SmXc"),
}
