"""printf forms: what C's own library prints, within bounds."""

import ctypes
import math
import platform
import struct

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tracecheck.payload.wpp.printf import WIDEST, format_float, format_integer, format_text, parse_spec

ON_LINUX = platform.system() == "Linux" and platform.machine() in ("x86_64", "AMD64")
FLAGS = st.text("-+ 0#", max_size=4)
WIDTHS = st.one_of(st.just(""), st.integers(1, 40).map(str))
PRECISIONS = st.one_of(st.just(""), st.integers(0, 40).map(".{}".format), st.just("."))
needs_libc = pytest.mark.skipif(
    not ON_LINUX, reason="the C library is called with Linux's calling convention"
)


def c_prints(form, value):
    """Let the C library print one value."""
    buffer = ctypes.create_string_buffer(1 << 13)
    size = ctypes.CDLL(None).snprintf(buffer, ctypes.c_size_t(len(buffer)), form.encode(), value)
    return buffer.raw[:size].decode()


def spec(text):
    """Read a conversion that is one."""
    found = parse_spec(text)
    assert found is not None
    return found


class TestAgainstC:
    """The C library as oracle."""

    @needs_libc
    @given(FLAGS, WIDTHS, PRECISIONS, st.sampled_from("diuxXo"), st.sampled_from([8, 16, 32, 64]), st.data())
    def test_integers(self, flags, width, precision, conversion, bits, data):
        """Every flag, width and precision, signed and unsigned, of every width of a value."""
        value = data.draw(st.integers(0, 2**bits - 1))
        signed = value - 2**bits if conversion in "di" and value >> (bits - 1) else value
        ours = format_integer(spec(f"{flags}{width}{precision}{conversion}"), value, bits, 8)
        assert ours == c_prints(f"%{flags}{width}{precision}ll{conversion}", ctypes.c_longlong(signed))

    @needs_libc
    @given(FLAGS, WIDTHS, PRECISIONS, st.sampled_from("fFeEgG"), st.floats())
    def test_floats(self, flags, width, precision, conversion, value):
        """Doubles, infinities and NaN too."""
        assume(not math.isnan(value) or math.copysign(1, value) > 0)
        ours = format_float(spec(f"{flags}{width}{precision}{conversion}"), value)
        assert ours == c_prints(f"%{flags}{width}{precision}{conversion}", ctypes.c_double(value))

    @needs_libc
    @given(st.text("- +#", max_size=3), WIDTHS, PRECISIONS, st.text("abc", max_size=50))
    def test_strings(self, flags, width, precision, text):
        """Cut to the precision and padded to the width."""
        ours = format_text(spec(f"{flags}{width}{precision}s"), text)
        assert ours == c_prints(f"%{flags}{width}{precision}s", ctypes.c_char_p(text.encode()))


class TestForms:
    """What Microsoft's forms add, and what a value's own width means."""

    @pytest.mark.parametrize(
        ("form", "value", "bits", "text"),
        [
            ("d", 0xFFFFFC18, 32, "-1000"),
            ("d", -1000, 32, "-1000"),
            ("u", -1, 32, "4294967295"),
            ("I64d", -5_000_000_000, 64, "-5000000000"),
            ("lld", -1, 64, "-1"),
            ("I64x", 0xDEADBEEFCAFE, 64, "deadbeefcafe"),
            ("Ix", 255, 64, "ff"),
            ("zu", 7, 64, "7"),
            ("hx", -1, 32, "ffff"),
            ("hhd", 0x1FF, 32, "-1"),
            ("x", -1, 16, "ffff"),
            ("02x", -1, 8, "ff"),
            ("05d", 42, 32, "00042"),
            ("08x", 0xBEEF, 32, "0000beef"),
            ("#010x", 0xBEEF, 32, "0x0000beef"),
            ("c", 65, 8, "A"),
            ("c", 0x80, 8, "\u20ac"),
            ("C", 0x20AC, 16, "\u20ac"),
            ("wc", 0xD800, 16, "?"),
            ("3c", 65, 8, "  A"),
            ("s", -3, 32, "-3"),
            ("p", 0x7FF012345678, 64, "00007FF012345678"),
            ("p", 0, 64, "0000000000000000"),
            ("18p", 0, 64, "  0000000000000000"),
            ("f", 2, 32, "2.000000"),
        ],
    )
    def test_integer_forms(self, form, value, bits, text):
        """Length prefixes narrow a value and never widen it; pointers are upper case and full."""
        assert format_integer(spec(form), value, bits, 8) == text

    def test_pointers_of_32_bit_writers_have_eight_digits(self):
        """%p goes by the writer's pointer size."""
        assert format_integer(spec("p"), 0x80001234, 32, 4) == "80001234"

    @pytest.mark.parametrize(("form", "text"), [("s", "3.25"), ("d", "3.25"), ("a", "0x1.a000000000000p+1")])
    def test_float_forms(self, form, text):
        """What is no form of a float shows it as %g does; %a has all digits."""
        assert format_float(spec(form), 3.25) == text

    @pytest.mark.parametrize("form", ["", "*d", "5", "n", "d ", "lls5", ".-1d", "99"])
    def test_what_is_no_conversion(self, form):
        """A form that printf does not have, or that would read or write memory, is none."""
        assert parse_spec(form) is None

    @given(st.text("0123456789", max_size=4000))
    def test_no_width_is_obeyed_beyond_the_bound(self, digits):
        """A width of any length is read at once, and never obeyed beyond the bound."""
        wide = spec(f"-{digits}.{digits}x")
        assert wide.precision == min(int(digits or 0), WIDEST)
        # Zeros before a width are flags.
        assert wide.width == wide.precision
        assert len(format_integer(wide, 1, 32, 8)) <= WIDEST

    def test_the_oracle_is_called_right(self):
        """A double of the oracle is the double that was given."""
        if ON_LINUX:
            assert (
                c_prints("%.3f", ctypes.c_double(struct.unpack("<d", struct.pack("<d", 1.5))[0])) == "1.500"
            )
