"""Reading ahead: the next item of an iterator is made while the caller is busy with one."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Give the items of an iterator, each of which is made in another thread while the one before is used.

    It pays where an item takes long to come from a file: a read, and the system's search for memory to put
    it into, hold nobody else up.

    Args:
        items: Is only used in the other thread from here on, and by one thread at a time.

    Yields:
        The items in their order; an error of the iterator is raised where its item would have come.
    """
    end = object()
    with ThreadPoolExecutor(1, "ahead") as thread:
        coming = thread.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, items, end)
            yield item  # type: ignore[misc]
