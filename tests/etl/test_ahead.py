"""Reading ahead gives what the iterator gives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tracecheck.etl.ahead import ahead


class TestAhead:
    """Items, errors and an early end."""

    @pytest.mark.parametrize("count", [0, 1, 2, 50])
    def test_all_in_order(self, count: int) -> None:
        """Every item comes once, in order."""
        assert list(ahead(iter(range(count)))) == list(range(count))

    def test_an_error_comes_in_its_place(self) -> None:
        """What was made before an error is given, and the error is raised to the caller."""

        def items() -> Iterator[int]:
            yield 1
            raise OSError("the disk is gone")

        given = ahead(items())
        assert next(given) == 1
        with pytest.raises(OSError, match="the disk is gone"):
            next(given)

    def test_one_item_ahead(self) -> None:
        """No more than one item is made before it is asked for: each may be large."""
        made = []

        def items() -> Iterator[int]:
            for number in range(10):
                made.append(number)
                yield number

        given = ahead(items())
        assert next(given) == 0
        given.close()
        assert made in ([0], [0, 1])
