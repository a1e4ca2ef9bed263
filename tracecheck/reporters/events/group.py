"""What every payload family gives: the events of one definition, decoded together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from tracecheck.reporters.fields import Fields

    Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Group:
    """Events of one definition.

    Attributes:
        rows: Their rows in the records of the chunk, ascending.
        fields: What their payloads hold; None where no schema says it.
        name: What they are called; None where nothing says it.
        provider_name: Who wrote them; None where nothing says it.
        source: The source file and line, as the definition of a WPP message has them.
        level: The level that the definition gives; None where the records' own holds.
        problems: For each row null, or why it was not decoded whole; None where all rows were.
        texts: Writes the text of each, which is the fields' where this is None.
        longest: The characters that a text has at most, about.
        is_message: Whether the text is a sentence that stands without the name.
    """

    rows: Ints
    fields: Fields | None
    name: str | None = None
    provider_name: str | None = None
    source: str | None = None
    level: int | None = None
    problems: pa.DictionaryArray | None = None
    texts: Callable[[], list[str]] | None = None
    longest: int = 0
    is_message: bool = False
