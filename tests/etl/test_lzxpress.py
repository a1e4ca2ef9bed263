"""Plain LZ-Xpress: against dissect.util, against a decoder one token at a time, and on hostile data."""

import random
import tracemalloc

import pytest
from dissect.util.compression import lzxpress
from hypothesis import example, given, settings
from hypothesis import strategies as st
from peers import buffers

from tracecheck.etl.lzxpress import CorruptDataError, compress, decompress

LETTERS = bytes(range(ord("a"), ord("z") + 1))
#: Bytes with much, little and nothing that repeats.
PLAIN = st.one_of(
    st.binary(max_size=400),
    st.lists(st.binary(min_size=1, max_size=9), max_size=6).flatmap(
        lambda words: st.lists(st.sampled_from(words), max_size=200).map(b"".join) if words else st.just(b"")
    ),
    st.tuples(st.binary(min_size=1, max_size=5), st.integers(1, 70_000)).map(
        lambda run: run[0] * (run[1] // 5)
    ),
)


class EndOfDataError(Exception):
    """The plain decoder found no whole token where one must be."""


def decode_plainly(data, size):
    """Decodes token by token, as MS-XCA 2.4.4 tells it; gives what came out, and whether it was sound."""
    source, out, nibble = Source(data), bytearray(), None
    try:
        while source.at < len(data):
            flags = source.take(4)
            for bit in range(31, -1, -1):
                is_match = flags >> bit & 1
                if source.at == len(data) and (is_match or len(out) == size):
                    return bytes(out), True
                if not is_match:
                    count, distance = 1, None
                    byte = source.take(1)
                else:
                    pair = source.take(2)
                    distance, count = pair // 8 + 1, pair % 8
                    if count == 7:
                        if nibble is None:
                            byte = source.take(1)
                            nibble, count = byte // 16, byte % 16
                        else:
                            nibble, count = None, nibble
                        if count == 15:
                            count = source.take(1)
                            if count == 255:
                                count = source.take(2) or source.take(4)
                                if count < 15 + 7:
                                    raise EndOfDataError
                                count -= 15 + 7
                            count += 15
                        count += 7
                    count += 3
                if len(out) + count > size or (distance or 0) > len(out):
                    raise EndOfDataError
                for _ in range(count):
                    out.append(byte if distance is None else out[-distance])
    except EndOfDataError:
        return bytes(out), False
    return bytes(out), True


class Source:
    """Data that are taken from the front."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        """Takes a little-endian number of some bytes."""
        part = self.data[self.at : self.at + count]
        if len(part) < count:
            raise EndOfDataError
        self.at += count
        return int.from_bytes(part, "little")


def unpack(data, size):
    """Gives what came out, and whether it was sound, as decode_plainly does."""
    try:
        return bytes(decompress(data, size)), True
    except CorruptDataError as error:
        return bytes(error.partial), False


def hostile(seed):
    """Gives data that often make sense for a while: real packed data with some bytes changed."""
    rng = random.Random(seed)
    plain = b"".join(
        rng.choice([b"abcdefgh", b"\0" * 40, rng.randbytes(3)]) for _ in range(rng.randrange(400))
    )
    packed = bytearray(compress(plain))
    for _ in range(rng.randrange(1, 5)):
        packed[rng.randrange(len(packed))] = rng.choice([0, 7, 0x0F, 0xFF, rng.randrange(256)])
    return bytes(packed), len(plain)


class TestSound:
    """Data that a packer made."""

    @pytest.mark.parametrize(
        ("packed", "plain"),
        [
            ("3f000000" + LETTERS.hex(), LETTERS),
            ("ffffff1f 616263 1700 0f ff 2601", b"abc" * 100),
        ],
    )
    def test_the_examples_of_ms_xca(self, packed, plain):
        """The two examples of MS-XCA 3.1 unpack as it says, and pack to the same bytes."""
        assert decompress(bytes.fromhex(packed), len(plain)) == plain
        assert compress(plain) == bytes.fromhex(packed)

    @pytest.mark.parametrize(
        "name", ["net.4.5.2.x64", "DynamicEvents", "SelfDescribingSingleEvent", "smallEtlFile"]
    )
    def test_every_compressed_buffer_of_the_corpus(self, corpus, name):
        """Each unpacks to the length that its header says, and to the bytes that dissect.util gives."""
        packed = [
            buffer for buffer in buffers((corpus / "etl" / f"{name}.etl").read_bytes()) if buffer.flags & 0x40
        ]
        assert packed
        for buffer in packed:
            plain = decompress(memoryview(buffer.body), buffer.used - 0x48)
            assert len(plain) == buffer.used - 0x48
            assert plain == lzxpress.decompress(buffer.body)

    def test_real_data_pack_as_well_as_windows_packs_them(self, corpus):
        """Real buffers packed here unpack to themselves in both readers, at no more than Windows' size."""
        found = buffers((corpus / "etl" / "net.4.5.2.x64.etl").read_bytes())[1:300:60]
        for buffer in found:
            plain = bytes(decompress(buffer.body, buffer.used))
            packed = compress(plain)
            assert plain == decompress(packed, len(plain)) == lzxpress.decompress(packed)
            assert len(packed) <= 1.05 * len(buffer.body)

    @given(PLAIN)
    @example(bytes(200_000))
    @settings(deadline=None)
    def test_round_trip(self, plain):
        """What is packed unpacks to itself, here and with dissect.util."""
        packed = compress(plain)
        assert decompress(packed, len(plain)) == plain
        assert lzxpress.decompress(packed) == plain

    @pytest.mark.parametrize("length", [3, 9, 10, 24, 25, 26, 278, 279, 280, 281, 65538, 65539, 65540])
    def test_every_form_of_a_length(self, length):
        """Lengths at the edges of each form are packed and unpacked, in the low and the high nibble."""
        plain = b"ab" + b"x" * (length + 1) + b"cd" + b"y" * (length + 1) + b"e"
        packed = compress(plain)
        assert decompress(packed, len(plain)) == plain == lzxpress.decompress(packed)

    def test_data_longer_than_a_window(self):
        """Where the data are cut for speed leaves no trace: words and nibbles go on across the cut."""
        rng = random.Random(7)
        words = [rng.randbytes(rng.randrange(3, 40)) for _ in range(60)]
        plain = b"".join(rng.choice(words) + rng.randbytes(rng.randrange(9)) for _ in range(30_000))
        packed = compress(plain)
        assert len(packed) > 3 << 16
        assert decompress(packed, len(plain)) == plain == lzxpress.decompress(packed)


class TestHostile:
    """Data that nobody packed, or that somebody cut or changed."""

    @given(st.binary(max_size=200), st.integers(0, 3000))
    @settings(deadline=None, max_examples=300)
    def test_any_bytes(self, data, size):
        """Any bytes give what one token at a time gives, as far as they are sound, and never more."""
        assert unpack(data, size) == decode_plainly(data, size)

    @pytest.mark.parametrize("seed", range(150))
    def test_changed_bytes(self, seed):
        """Changed data give an error or some output within the bound, the same as one token at a time."""
        packed, size = hostile(seed)
        assert unpack(packed, size) == decode_plainly(packed, size)
        assert len(unpack(packed, size)[0]) <= size

    def test_every_cut(self):
        """Cut data give an error or end between tokens; what came out is a beginning of the whole."""
        rng = random.Random(3)
        plain = b"".join(rng.choice([b"context", b"reference", rng.randbytes(5)]) * 3 for _ in range(120))
        packed = compress(plain)
        for end in range(len(packed)):
            partial, _ = unpack(packed[:end], len(plain))
            assert plain.startswith(partial)
            assert len(partial) < len(plain) or end > len(packed) - 36

    @given(PLAIN, st.integers(1, 100))
    @settings(deadline=None)
    def test_the_bound(self, plain, less):
        """Data that unpack to more than the bound are an error, and give at most the bound."""
        size = max(0, len(plain) - less)
        if size < len(plain):
            with pytest.raises(CorruptDataError, match="more than") as caught:
                decompress(compress(plain), size)
            assert plain.startswith(caught.value.partial)
            assert len(caught.value.partial) <= size

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            ("ffff", "word of flags"),
            ("00000000", "before a literal"),
            ("00000000 61", "before a literal"),
            ("ffffff7f 61 00", "within a match"),
            ("ffffff7f 61 0700", "within a match"),
            ("ffffff7f 61 0700 0f", "within a match"),
            ("ffffff7f 61 0700 0f ff 10", "within a match"),
            ("ffffff7f 61 0700 0f ff 0000 ffff", "within a match"),
            ("ffffff7f 61 0700 0f ff 1500", "long form"),
            ("ffffff7f 61 0700 0f ff 0000 ffffffff", "more than 1000"),
            ("ffffff7f 61 0800", "before the start"),
            ("ffffffff 0000", "before the start"),
        ],
    )
    def test_what_the_error_says(self, data, reason):
        """Each fault is a ValueError that names it and has what was unpacked before."""
        with pytest.raises(ValueError, match=reason) as caught:
            decompress(bytes.fromhex(data), 1000)
        assert caught.value.partial == (b"a" if " 61" in data else b"")

    def test_a_bomb_costs_no_memory(self):
        """A few bytes that claim 4 GB are refused before any of it is made."""
        data = bytes.fromhex("ffffff7f 61 0700 0f ff 0000 ffffffff") + bytes(400)
        tracemalloc.start()
        with pytest.raises(CorruptDataError, match="more than"):
            decompress(data, 1 << 20)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1 << 20
