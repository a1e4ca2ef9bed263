"""The providers of a chunk, each once: whatever is asked of a GUID is asked once for all its records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tracecheck.reporters.fields import integers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tracecheck.etl import Chunk


def provider_codes(chunk: Chunk) -> tuple[NDArray[np.int64], list[bytes]]:
    """Number the providers of a chunk.

    Args:
        chunk: The records.

    Returns:
        For each record the index of its provider's GUID in the list; and the GUIDs in the order of the file.
    """
    encoded = chunk.records.column("provider").dictionary_encode()
    return integers(encoded.indices).astype(np.int64), encoded.dictionary.to_pylist()
