"""The kernel's and the drivers' images: where they lie, and where in them each function and call site is."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from tracecheck.simulate.faults import FAULT_SITES
from tracecheck.simulate.sites import (
    CLEANUP,
    CLOSE,
    CONTROL,
    CREATE,
    FILES,
    NETWORK_QUERY_OPEN,
    OTHER_FILE,
    POST,
    PRE,
    QUERY,
    READ,
    SET,
    SITES,
    WRITE,
    Site,
)

_FLUSH = 9

#: Major function and PRE or POST -> the callback that the drivers register for it.
CALLBACKS = {
    (CREATE, PRE): "PreCreate",
    (CREATE, POST): "PostCreate",
    (READ, PRE): "PreRead",
    (READ, POST): "PostRead",
    (WRITE, PRE): "PreWrite",
    (WRITE, POST): "PostWrite",
    (QUERY, PRE): "PreQueryInformation",
    (SET, PRE): "PreSetInformation",
    (SET, POST): "PostSetInformation",
    (CONTROL, PRE): "PreFsControl",
    (CLEANUP, PRE): "PreCleanup",
    (CLOSE, PRE): "PreClose",
    (CLOSE, POST): "PostClose",
    (NETWORK_QUERY_OPEN, PRE): "PreNetworkQueryOpen",
    (_FLUSH, PRE): "PreFlush",
    (_FLUSH, POST): "PostFlush",
}

_KERNEL_FUNCTIONS = (
    *("EtwWrite", "IofCallDriver", "IopParseDevice", "NtReadFile", "NtWriteFile", "NtSetInformationFile"),
    *("IofCompleteRequest", "ExpWorkerThread", "PspSystemThreadStartup", "KiIdleLoop", "IopLoadDriver"),
    *("IopUnloadDriver", "KiSystemServiceCopyEnd"),
)
_FLTMGR_FUNCTIONS = (
    *(
        "FltpPerformPreCallbacks",
        "FltpPerformPostCallbacks",
        "FltpDispatch",
        "FltpDoInstanceSetupNotification",
    ),
    *("FltpDoInstanceTeardown", "FltpFreeContext", "FltpDoUnloadFilter"),
)

_FIRST_FUNCTION = 0x1000
_BYTES_OF_A_LINE = 16
_STEP = 0x1000
_BASES = {
    8: (0xFFFF_F805_1200_0000, 0xFFFF_F805_1400_0000, 0xFFFF_F805_1500_0000),
    4: (0x8180_0000, 0x8280_0000, 0x8300_0000),
}
_BETWEEN_DRIVERS = 0x2_0000


class Function(NamedTuple):
    """A function of an image: where it begins, how long it is, the source line of its first byte."""

    name: str
    start: int
    size: int
    line: int


class Image:
    """A loaded image.

    Args:
        path: As the loader names it.
        base: Its first address.
        functions: Name, first and last source line of each function, in their order.

    Attributes:
        size: How many bytes it takes.
        functions: Name -> function.
        checksum: Of its header.
        stamp: TimeDateStamp of its header.
    """

    def __init__(self, path: str, base: int, functions: list[tuple[str, int, int]]) -> None:
        self.path = path
        self.base = base
        self.functions: dict[str, Function] = {}
        at = base + _FIRST_FUNCTION
        for name, first, last in functions:
            size = (last - first + 8) * _BYTES_OF_A_LINE
            self.functions[name] = Function(name, at, size, first)
            at += (size + 63) & ~63
        self.size = (at - base + _STEP - 1) // _STEP * _STEP + _STEP
        self.checksum = 0x20000 + self.size // 7
        self.stamp = 0x65A00000 + len(path) * 0x1234

    def return_address(self, function: str, line: int | None = None) -> int:
        """Give where a call at a line of a function returns to; somewhere in its middle without a line."""
        found = self.functions[function]
        if line is None:
            return found.start + found.size // 2 + 1
        return found.start + (line - found.line + 2) * _BYTES_OF_A_LINE + 5

    def name_of(self, address: int) -> str | None:
        """Name the function that an address lies in, None for none."""
        functions = list(self.functions.values())
        index = bisect_right([each.start for each in functions], address) - 1
        if index < 0 or address >= functions[index].start + functions[index].size:
            return None
        return functions[index].name


class Images:
    """All images of a machine.

    Args:
        pointer_size: 4 or 8.
        drivers: The drivers' names.

    Attributes:
        kernel: ntoskrnl.exe.
        fltmgr: FLTMGR.SYS.
        drivers: The drivers' images by their names.
    """

    def __init__(self, pointer_size: int, drivers: tuple[str, ...]) -> None:
        kernel, fltmgr, first = _BASES[pointer_size]
        system = r"\SystemRoot\system32"
        self.kernel = Image(rf"{system}\ntoskrnl.exe", kernel, [(name, 0, 20) for name in _KERNEL_FUNCTIONS])
        self.fltmgr = Image(
            rf"{system}\drivers\FLTMGR.SYS", fltmgr, [(name, 0, 20) for name in _FLTMGR_FUNCTIONS]
        )
        self.drivers = {
            name: Image(
                rf"{system}\drivers\{name}.sys",
                first + index * _BETWEEN_DRIVERS,
                [(name + function, low, high) for function, low, high in _driver_functions()],
            )
            for index, name in enumerate(drivers)
        }

    def callback(self, driver: str, major: int, post: bool) -> int:
        """Give the address of the callback that a driver registered."""
        name = CALLBACKS[major, POST if post else PRE]
        return self.drivers[driver].functions[driver + name].start

    def stack(self, driver: str, site: Site) -> list[int]:
        """Give the return addresses of a call at a site, the innermost first."""
        image, kernel, fltmgr = self.drivers[driver], self.kernel, self.fltmgr
        mine = [kernel.return_address("EtwWrite"), image.return_address(driver + site.function, site.line)]
        if site.major is not None:
            post = site.phase != PRE
            name = CALLBACKS[site.major, POST if post else PRE]
            outer = [] if name == site.function else [image.return_address(driver + name)]
            below = "FltpPerformPostCallbacks" if post else "FltpPerformPreCallbacks"
            callers = [kernel.return_address(name) for name in _below(site)]
            return [*mine, *outer, *map(fltmgr.return_address, (below, "FltpDispatch")), *callers]
        return [*mine, *_system_callers(self, site.function)]


def _below(site: Site) -> tuple[str, ...]:
    """Name the kernel's functions below an I/O callback."""
    if site.irql:
        return "IofCompleteRequest", "KiIdleLoop"
    services = {CREATE: "IopParseDevice", READ: "NtReadFile", WRITE: "NtWriteFile"}
    return "IofCallDriver", services.get(site.major or 0, "NtSetInformationFile"), "KiSystemServiceCopyEnd"


def _system_callers(images: Images, function: str) -> list[int]:
    """Give what lies below a function that is no I/O callback."""
    kernel, fltmgr = images.kernel.return_address, images.fltmgr.return_address
    start = [kernel("ExpWorkerThread"), kernel("PspSystemThreadStartup")]
    if function in ("InstanceSetup",):
        return [fltmgr("FltpDoInstanceSetupNotification"), *start]
    if function in ("InstanceTeardownStart", "InstanceTeardownComplete"):
        return [fltmgr("FltpDoInstanceTeardown"), *start]
    if function == "ContextCleanup":
        return [fltmgr("FltpFreeContext"), *start]
    if function == "Unload":
        return [fltmgr("FltpDoUnloadFilter"), kernel("IopUnloadDriver"), *start]
    return [kernel("IopLoadDriver"), *start] if function == "DriverEntry" else start


def _driver_functions() -> list[tuple[str, int, int]]:
    """List a driver's functions with their first and last lines, source file by source file."""
    lines: dict[str, list[int]] = {name: [] for name in CALLBACKS.values()}
    for site in (*SITES.values(), *FAULT_SITES.values()):
        lines.setdefault(site.function, []).append(site.line)
    order = sorted(lines, key=lambda name: (FILES.get(name, OTHER_FILE), min(lines[name], default=0)))
    return [(name, min(lines[name], default=0), max(lines[name], default=20)) for name in order]
