"""Provider traits: what extended item 12 says of an event's provider.

Source: Microsoft's "Provider Traits" page and evntcons.h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tracecheck.payload._slices import distinct_slices, within
from tracecheck.payload._values import guids
from tracecheck.payload.arrow import from_numpy, strings

if TYPE_CHECKING:
    import numpy.typing as npt

# ETW_PROVIDER_TRAIT_TYPE, and the size of that trait: u16 size, u8 type, GUID.
_TRAIT_GROUP = 1
_TRAIT_GROUP_SIZE = 19


@dataclass(frozen=True)
class ProviderTraits:
    """What extended item 12 says of the provider of each event.

    Attributes:
        name: The provider's name; null where there is none.
        group: The GUID of the provider's group, lower-case; null where it has none.
    """

    name: pa.DictionaryArray
    group: pa.DictionaryArray


def provider_traits(data: npt.NDArray[np.uint8], start: npt.ArrayLike, size: npt.ArrayLike) -> ProviderTraits:
    """Decode provider traits: u16 size, UTF-8 name, NUL; then traits: u16 size, u8 type, data.

    Args:
        data: The bytes that hold the events, one contiguous array.
        start: For each event, where the data of its extended item 12 starts in ``data``.
        size: Bytes of that item's data; 0 where the event has no such item.

    Returns:
        A name and a group for each event.
    """
    data = np.ascontiguousarray(data, dtype=np.uint8)
    codes, distinct = distinct_slices(data, *within(data, start, size))
    traits = [_traits(raw) for raw in distinct]
    return ProviderTraits(
        _lookup(codes, [name for name, _ in traits]), _lookup(codes, [group for _, group in traits])
    )


def _traits(raw: bytes) -> tuple[str | None, str | None]:
    """Return the name and the group's GUID that one item holds."""
    raw = raw[: int.from_bytes(raw[:2], "little")]
    end = raw.find(b"\0", 2)
    if end < 0:
        return None, None
    at, group = end + 1, None
    while at + 3 <= len(raw):
        size = int.from_bytes(raw[at : at + 2], "little")
        whole = size == _TRAIT_GROUP_SIZE and at + size <= len(raw)
        if raw[at + 2] == _TRAIT_GROUP and whole:
            group = guids(np.frombuffer(raw, dtype=np.uint8)[at + 3 : at + 19].reshape(1, 16))[0].as_py()
        at += max(size, 3)
    return raw[2:end].decode("utf-8", "replace"), group


def _lookup(codes: npt.NDArray[np.int32], texts: list[str | None]) -> pa.DictionaryArray:
    number = {text: at for at, text in enumerate(dict.fromkeys(text for text in texts if text is not None))}
    index = np.array([-1 if text is None else number[text] for text in texts], dtype=np.int32)
    at = index[codes] if texts else np.empty(0, dtype=np.int32)
    indices = from_numpy(np.maximum(at, 0), pa.int32(), at >= 0)
    return pa.DictionaryArray.from_arrays(indices, strings(number))
