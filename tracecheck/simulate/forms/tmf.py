"""Message definitions as a TMF file.

The grammar is that of the files tracepdb writes: a line for each source file, then for each message its
``#typev`` line with the trailer and its items in braces.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tracecheck.payload.wpp.definition import Definition, Item


def write_tmf(definitions: Iterable[Definition]) -> str:
    """Write definitions as the text of one TMF file, by source file and message number."""
    lines = []
    source = None
    for one in sorted(definitions, key=lambda each: (each.provider, each.file, each.number)):
        if source != one.guid:
            source = one.guid
            lines.append(f"// PDB:  {one.provider}.pdb")
            lines.append(f"{one.guid} {one.provider} // SRC={one.file} MJ= MN=")
        trailer = f"LEVEL={one.level} FLAGS={one.flags}" + (f" FUNC={one.function}" if one.function else "")
        lines.append(f'#typev {one.symbol} {one.number} "{one.format}" //   {trailer}')
        lines.append("{")
        lines += [f"{item.expression}, {_type(item)} -- {item.number}" for item in one.items]
        lines.append("}")
    return "\n".join(lines) + "\n"


def _type(item: Item) -> str:
    return f"{item.type}({','.join(item.values)})" if item.values else item.type
