"""Plain LZ-Xpress (MS-XCA 2.3 and 2.4): how compressed logs store their buffers.

The data are words of 32 flags, each followed by what its flags announce, highest flag first: 0 a literal
byte, 1 a match of two bytes (13 bits of distance, 3 of length). A length that does not fit goes on in a
nibble (two matches share a byte), then a byte, then 16 or 32 bits.
"""

import numpy as np

_MIN_MATCH = 3
_MAX_DISTANCE = 8192
_WINDOW = 1 << 16
# Past the end of a window the word loop may read one word of matches, each with its length in full.
_PAD = bytes(4 + 32 * 10)


class CorruptDataError(ValueError):
    """Data that could be unpacked in part only.

    Attributes:
        partial: What was unpacked before the fault.
    """

    def __init__(self, reason: str, partial: bytearray) -> None:
        super().__init__(reason)
        self.partial = partial


def _literals_before(flags: int) -> tuple[int, ...]:
    """Give, for 8 flags, how many literals stand before each match."""
    return tuple(len(run) for run in f"{flags:08b}".split("1")[:-1])


_RUNS = tuple(_literals_before(flags) for flags in range(256))
_TAILS = tuple(len(f"{flags:08b}".rpartition("1")[2]) for flags in range(256))


def decompress(data: bytes | memoryview, size: int) -> bytearray:
    """Unpack plain LZ-Xpress data.

    Args:
        data: The packed bytes, whole.
        size: How many bytes they may unpack to. Fewer is no fault here: only the caller knows.

    Returns:
        The unpacked bytes.

    Raises:
        CorruptDataError: The data end within a word, point before their start, or unpack to more than
            ``size``; its ``partial`` has what came before.
    """
    packed = bytes(data)
    out = bytearray()
    at = pending = 0
    while at < len(packed):
        start = at
        window = packed[at : at + _WINDOW] + _PAD
        stop = start + len(window) - len(_PAD)
        distances, lengths = _as_matches(window)
        while at < stop:
            moved, pending = _unpack_words(
                window, stop - start, distances, lengths, at - start, pending, out, size
            )
            at = start + moved
            if at < stop:
                at, pending = _unpack_word(packed, at, pending, out, size)
    return out


def _as_matches(window: bytes) -> tuple[memoryview, bytes]:
    """Read a match at every byte: minus its distance (i16), and its length as far as two bytes tell it."""
    each = np.frombuffer(window, np.uint8).astype(np.uint16)
    pairs = each[:-1] | each[1:] << 8
    # A memoryview gives Python integers twice as fast as an array does, and costs less than a list.
    lengths = ((pairs & 7) + _MIN_MATCH).astype(np.uint8)
    return (~(pairs >> 3).astype(np.int16)).data, lengths.tobytes()


def _unpack_words(
    window: bytes,
    end: int,
    distances: memoryview,
    lengths: bytes,
    at: int,
    pending: int,
    out: bytearray,
    size: int,
) -> tuple[int, int]:
    """Unpack words as long as nothing in them needs care, without looking at the end at each step.

    The first word that may read past ``end``, point before the start of ``out`` or pass ``size`` is taken
    back whole, for `_unpack_word` to judge.

    Args:
        window: Packed bytes and padding.
        end: Where the packed bytes of the window end.
        distances: From `_as_matches`.
        lengths: From `_as_matches`.
        at: Where the next word begins in ``window``.
        pending: One more than the nibble that the next long match takes, 0 for none.
        out: What is unpacked so far; grows.
        size: The bound of ``out``.

    Returns:
        Where the first word that was not unpacked begins, and the nibble pending there.
    """
    append = out.append
    while at + 4 <= end:
        begin, before, length = at, pending, len(out)
        floor = -length
        at += 4
        first, second, third, fourth = window[begin:at]
        for flags in (fourth, third, second, first):
            for run in _RUNS[flags]:
                if run == 1:
                    append(window[at])
                    at += 1
                elif run:
                    out += window[at : at + run]
                    at += run
                start = distances[at]
                count = lengths[at]
                at += 2
                if count == 10:
                    if pending:
                        count = 9 + pending
                        pending = 0
                    else:
                        count += window[at] & 15
                        pending = (window[at] >> 4) + 1
                        at += 1
                    if count == 25:
                        count += window[at]
                        at += 1
                        if count == 280:
                            count = window[at] + (window[at + 1] << 8) + 3
                            at += 2
                            if count < 25 or len(out) + count > size:
                                del out[length:]
                                return begin, before
                stop = start + count
                if stop < 0 and start >= floor:
                    out += out[start:stop]
                else:
                    floor = -len(out)
                    if start < floor:
                        del out[length:]
                        return begin, before
                    out += (out[start:] * (count // -start + 1))[:count]
            run = _TAILS[flags]
            if run:
                out += window[at : at + run]
                at += run
        if at > end or len(out) > size:
            del out[length:]
            return begin, before
    return at, pending


def _unpack_word(packed: bytes, at: int, pending: int, out: bytearray, size: int) -> tuple[int, int]:
    """Unpack one word as `_unpack_words` does, but with care: say what is wrong, find the data's end."""
    word = packed[at : at + 4]
    if len(word) < 4:
        raise CorruptDataError("the data end within a word of flags", out)
    flags = int.from_bytes(word, "little")
    at += 4
    for bit in range(31, -1, -1):
        if at == len(packed) and (flags >> bit & 1 or len(out) == size):
            break
        if flags >> bit & 1:
            distance, count, at, pending = _read_match(packed, at, pending, out)
            if distance > len(out):
                raise CorruptDataError(f"a match {distance} bytes back points before the start", out)
            _check_room(out, count, size)
            out += (out[-distance:] * (count // distance + 1))[:count]
        else:
            _check_room(out, 1, size)
            out += _read(packed, at, 1, out)
            at += 1
    return at, pending


def _read_match(packed: bytes, at: int, pending: int, out: bytearray) -> tuple[int, int, int, int]:
    """Read a match: give its distance and length, where it ends, and the nibble pending there."""
    pair = int.from_bytes(_read(packed, at, 2, out), "little")
    distance, count = (pair >> 3) + 1, pair & 7
    at += 2
    if count == 7:
        if pending:
            count, pending = pending - 1, 0
        else:
            byte = _read(packed, at, 1, out)[0]
            count, pending = byte & 15, (byte >> 4) + 1
            at += 1
        count += 7
        if count == 7 + 15:
            count += _read(packed, at, 1, out)[0]
            at += 1
        if count == 7 + 15 + 255:
            count, at = _read_long(packed, at, out)
    return distance, count + _MIN_MATCH, at, pending


def _read_long(packed: bytes, at: int, out: bytearray) -> tuple[int, int]:
    count = int.from_bytes(_read(packed, at, 2, out), "little")
    at += 2
    if not count:
        count = int.from_bytes(_read(packed, at, 4, out), "little")
        at += 4
    if count < 7 + 15:
        raise CorruptDataError(f"a match has the long form of a length for {count}", out)
    return count, at


def _read(packed: bytes, at: int, count: int, out: bytearray) -> bytes:
    data = packed[at : at + count]
    if len(data) < count:
        raise CorruptDataError("the data end within a match or before a literal", out)
    return data


def _check_room(out: bytearray, count: int, size: int) -> None:
    if len(out) + count > size:
        raise CorruptDataError(f"the data unpack to more than {size} bytes", out)


def compress(data: bytes) -> bytes:
    """Pack ``data`` as plain LZ-Xpress: at each place the last earlier one with the same three bytes."""
    packer = _Packer()
    earlier = _earlier_places(data)
    at = 0
    while at < len(data):
        place = earlier[at]
        if place < 0:
            packer.add_literal(data[at])
            at += 1
        else:
            count = _common_length(data, place, at)
            packer.add_match(at - place, count)
            at += count
    return packer.finish()


def _earlier_places(data: bytes) -> list[int]:
    """Give, for each place, the last earlier one within reach where the same three bytes stand, or -1."""
    places = np.full(len(data), -1, np.int64)
    if len(data) >= _MIN_MATCH:
        each = np.frombuffer(data, np.uint8).astype(np.int64)
        keys = each[:-2] | each[1:-1] << 8 | each[2:] << 16
        order = np.argsort(keys, kind="stable")
        same = keys[order[1:]] == keys[order[:-1]]
        places[order[1:][same]] = order[:-1][same]
        places[np.arange(len(data)) - places > _MAX_DISTANCE] = -1
    return places.tolist()


def _common_length(data: bytes, earlier: int, later: int) -> int:
    count = _MIN_MATCH
    step = 64
    while step:
        while data[earlier + count : earlier + count + step] == data[later + count : later + count + step]:
            if later + count >= len(data):
                break
            count += step
        step >>= 1
    return min(count, len(data) - later)


class _Packer:
    """Puts literals and matches behind words of flags."""

    def __init__(self) -> None:
        self._out = bytearray()
        self._word = 0
        self._flags = 0
        self._left = 0
        self._shared = 0

    def add_literal(self, byte: int) -> None:
        self._flag(0)
        self._out.append(byte)

    def add_match(self, distance: int, count: int) -> None:
        self._flag(1)
        count -= _MIN_MATCH
        self._out += (distance - 1 << 3 | min(count, 7)).to_bytes(2, "little")
        if count < 7:
            return
        self._nibble(min(count - 7, 15))
        if count < 7 + 15:
            return
        self._out.append(min(count - 7 - 15, 255))
        if count >= 7 + 15 + 255:
            short = count < 1 << 16
            self._out += count.to_bytes(2, "little") if short else b"\0\0" + count.to_bytes(4, "little")

    def finish(self) -> bytes:
        """Set the flags that are left: that tells a reader that the data end there."""
        if not self._left:
            self._begin_word()
        for _ in range(self._left):
            self._flag(1)
        self._out[self._word : self._word + 4] = self._flags.to_bytes(4, "little")
        return bytes(self._out)

    def _flag(self, flag: int) -> None:
        if not self._left:
            self._begin_word()
        self._left -= 1
        self._flags = self._flags << 1 | flag

    def _begin_word(self) -> None:
        if self._word or self._out:
            self._out[self._word : self._word + 4] = self._flags.to_bytes(4, "little")
        self._word = len(self._out)
        self._out += bytes(4)
        self._flags, self._left = 0, 32

    def _nibble(self, value: int) -> None:
        if self._shared:
            self._out[self._shared] |= value << 4
            self._shared = 0
        else:
            self._shared = len(self._out)
            self._out.append(value)
