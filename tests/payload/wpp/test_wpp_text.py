"""The text of messages: item types, the forms of a format string, and only the rows asked for."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wpp_oracle import POINTER32, TYPES, decode_payloads, define

from tracecheck.payload.wpp.definition import Members
from tracecheck.payload.wpp.names import code_names
from tracecheck.payload.wpp.template import LONGEST
from tracecheck.payload.wpp.text import MISSING, render, render_prefix, template_of

U4 = struct.Struct("<I").pack
I8 = struct.Struct("<q").pack
SECOND = 10_000_000
COLOURS = (("Colour", Members([("Red", 0), ("Green", 1), ("Blue", 2), ("Minus", -1)])),)
ACCESS = (("Access", Members([("None", 0), ("Read", 1), ("Write", 2), ("All", 7)])),)


def shown(kind, raw, form="s", values=(), **rest):
    """Print one argument."""
    definition = define(kind, text=f"%0%10!{form}!", values=values, **rest)
    (decoded,) = decode_payloads(definition, [raw])
    return render(decoded)[0]


class TestItems:
    """What %s shows of each item type."""

    @pytest.mark.parametrize(
        ("kind", "raw", "text"),
        [
            ("ItemNTSTATUS", U4(0xC0000022), "0xc0000022(STATUS_ACCESS_DENIED)"),
            ("ItemNTSTATUS", U4(0), "0x00000000(STATUS_SUCCESS)"),
            ("ItemNTSTATUS", U4(0xC01C000B), "0xc01c000b(STATUS_FLT_DELETING_OBJECT)"),
            ("ItemNTSTATUS", U4(0xE1234567), "0xe1234567"),
            ("ItemHRESULT", U4(0x80070005), "0x80070005(ERROR_ACCESS_DENIED)"),
            ("ItemHRESULT", U4(0x80004005), "0x80004005(E_FAIL)"),
            ("ItemHRESULT", U4(0), "0x00000000(S_OK)"),
            ("ItemHRESULT", U4(0x8007FFFF), "0x8007ffff"),
            ("ItemHRESULT", U4(0x801F0001), "0x801f0001(ERROR_FLT_NO_HANDLER_DEFINED)"),
            ("ItemWINERROR", U4(5), "5(ERROR_ACCESS_DENIED)"),
            ("ItemWINERROR", U4(0), "0(ERROR_SUCCESS)"),
            ("ItemWINERROR", U4(4_000_000_000), "4000000000"),
            ("ItemNDIS_STATUS", U4(0x4001000B), "0x4001000b(NDIS_STATUS_MEDIA_CONNECT)"),
            ("ItemNDIS_OID", U4(0x00010101), "0x00010101(OID_GEN_SUPPORTED_LIST)"),
            ("ItemPtr", struct.pack("<Q", 0x7FF0), "0000000000007FF0"),
            ("ItemTimestamp", I8(132223104000000000), "2020-01-01 00:00:00.000Z"),
            ("ItemTimestamp", I8(132223104000000000 + 1239999), "2020-01-01 00:00:00.123Z"),
            ("ItemTimestamp", I8(0), "1601-01-01 00:00:00.000Z"),
            ("ItemTimestamp", I8(2**63 - 1), "9223372036854775807"),
            ("ItemTimestamp", I8(-1), "-1"),
            ("ItemTimeDelta", I8(5 * SECOND), "5.000s"),
            ("ItemTimeDelta", I8(-5 * SECOND // 2), "-2.500s"),
            ("ItemTimeDelta", I8((86400 + 2 * 3600 + 3 * 60 + 4) * SECOND), "1~2:03:04.000s"),
            ("ItemWaitTime", I8(132223104000000000), "2020-01-01 00:00:00.000Z"),
            ("ItemWaitTime", I8(-3 * SECOND), "3.000s"),
            ("ItemWaitTime", I8(-(2**63)), "10675199~2:48:05.477s"),
            ("ItemHexDump", b"\x04\0\xde\xad\xbe\xef", "DEADBEEF"),
            ("ItemHexDump", b"\0\0", ""),
            ("ItemPString", b"\x03\0a\nb", "a\nb"),
            ("ItemPWString", b"\x04\0a\0\x1b\0", "a\x1b"),
            ("ItemRString", b"one\r\ntwo\nthree\r\n\0", "one two three"),
            ("ItemRWString", "a\nb".encode("utf-16-le") + b"\0\0", "a b"),
            ("ItemMLString", b"a\r\nb\0", "a\r\nb"),
            ("ItemString", b"\xe9t\xe9\0", "\xe9t\xe9"),
            ("ItemString", b"\xc3\xa9\0", "\xe9"),
            ("ItemGuid", bytes(range(16)), "03020100-0504-0706-0809-0a0b0c0d0e0f"),
            ("ItemCLSID", bytes(range(16)), "03020100-0504-0706-0809-0a0b0c0d0e0f"),
            ("ItemSid", bytes([1, 2, 0, 0, 0, 0, 0, 5]) + U4(32) + U4(544), "S-1-5-32-544"),
            ("ItemIPAddr", bytes([192, 168, 0, 7]), "192.168.0.7"),
            ("ItemIPV6Addr", bytes(15) + b"\1", "::1"),
            ("ItemMACAddr", bytes.fromhex("00155dabcdef"), "00-15-5D-AB-CD-EF"),
            ("ItemPort", b"\x01\xbb", "443"),
            ("ItemChar4", b"Ctx\0", "Ctx."),
            ("ItemDouble", struct.pack("<d", 2.5), "2.5"),
            ("ItemLong", U4(0xFFFFFFFF), "-1"),
        ],
    )
    def test_values(self, kind, raw, text):
        """Names beside codes, times in UTC, text as it is but for reduced strings, bytes as hex digits."""
        assert shown(kind, raw) == text

    @pytest.mark.parametrize(
        ("kind", "raw", "values", "text"),
        [
            ("ItemListLong", U4(1), ("false", "true"), "0x00000001(true)"),
            ("ItemListShort", b"\0\0", ("false", "true"), "0x00000000(false)"),
            ("ItemListByte", b"\2", ("Low", "APC", "DPC"), "0x00000002(DPC)"),
            ("ItemListByte", b"\x0f", ("Low", "APC", "DPC"), "0x0000000f"),
            ("ItemSetLong", U4(5), ("1", "2", "3"), "[1,3]"),
            ("ItemSetByte", b"\0", ("1", "2"), "[]"),
            ("ItemSetShort", b"\2\0", ("1", "2"), "[2]"),
        ],
    )
    def test_lists_and_sets(self, kind, raw, values, text):
        """A list names its index, a set its bits."""
        assert shown(kind, raw, values=values) == text

    @pytest.mark.parametrize(
        ("kind", "raw", "enums", "text"),
        [
            ("ItemEnum", U4(1), COLOURS, "Green"),
            ("ItemEnum", U4(0xFFFFFFFF), COLOURS, "Minus"),
            ("ItemEnum", U4(9), COLOURS, "0x9"),
            ("ItemEnum", U4(9), (), "0x9"),
            ("ItemFlagsEnum", U4(3), ACCESS, "Read | Write(0x3)"),
            ("ItemFlagsEnum", U4(7), ACCESS, "Read | Write | All(0x7)"),
            ("ItemFlagsEnum", U4(0), ACCESS, "None(0x0)"),
            ("ItemFlagsEnum", U4(8), ACCESS, "0x8"),
        ],
    )
    def test_enums(self, kind, raw, enums, text):
        """Members have names; what is none is a number."""
        assert (
            shown(kind, raw, values=(("Colour",) if enums is COLOURS else ("Access",)), enums=enums) == text
        )

    def test_a_code_by_a_number_form_is_a_number(self):
        """A status that is printed with %x has no name."""
        assert shown("ItemNTSTATUS", U4(0xC0000022), "08x") == "c0000022"
        assert shown("ItemNTSTATUS", U4(0xC0000022), "d") == "-1073741790"
        assert shown("ItemNTSTATUS", U4(0), "30s") == "    0x00000000(STATUS_SUCCESS)"

    def test_pointers_go_by_the_writer(self):
        """A 32-bit writer's pointers have eight digits."""
        (decoded,) = decode_payloads(define("ItemPtr", text="%0%10!p!"), [U4(0x8000ABCD)], POINTER32)
        assert render(decoded) == ["8000ABCD"]

    def test_the_tables_of_names_are_whole(self):
        """The tables have as many codes as the published lists, each name well-formed and once."""
        least = {"ntstatus": 1790, "win32": 2700, "hresult": 1400, "ndis_status": 170, "ndis_oid": 600}
        for table, count in least.items():
            names = code_names(table)
            assert len(names) >= count
            assert len(set(names.values())) == len(names)
            assert all(name.isidentifier() and name.isascii() for name in names.values())


class TestFormats:
    """The grammar of format strings."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("%0plain", "plain"),
            ("%0100%% of %10!d!", "100% of 1"),
            ("%05 items", "5 items"),
            ("%0%11!s!-%10!d!-%11!s!", "two-1-two"),
            ("%0%10 and %11", "1 and two"),
            ("%0%10!*d!", "1"),
            ("%0%12!s!", MISSING),
            ("%0[%1!s!|%2!s!]", "[|]"),
            ("%0%!FUNC!/%!LEVEL!/%!FLAGS!/%!FILE!:%!LINE! %!WHO!", "Open/ERROR/IO/file.c:1 %!WHO!"),
            ("%0a % b %", "a % b %"),
            ("", ""),
            ("%0%10!-5d!|%11!5.2s!|", "1    |   tw|"),
            ('%0he said "%11!s!"', 'he said "two"'),
        ],
    )
    def test_forms(self, text, expected):
        """Numbers in any order and repeated, percent signs, words of the trailer, what is no form."""
        definition = define("ItemLong", "ItemString", text=text, function="Open", level="ERROR", flags="IO")
        (decoded,) = decode_payloads(definition, [U4(1) + b"two\0"])
        assert render(decoded) == [expected]

    def test_prefix_values_are_given(self):
        """%1 to %9 are what the caller says, a value for each row."""
        (decoded,) = decode_payloads(define("ItemLong", text="%0<%3!04X! %1!s!> %10!d!"), [U4(1), U4(2)])
        prefix = {1: ["drv", "drv"], 3: [0x1C, 0xABCDE]}
        assert render(decoded, prefix=prefix) == ["<001C drv> 1", "<ABCDE drv> 2"]

    def test_the_prefix_of_tracefmt(self):
        """A prefix alone is printed by the same rules."""
        values = {1: ["drv"], 3: [28], 4: ["now"], 8: [4], 9: [1]}
        text = render_prefix("[%9!d!]%8!04X!.%3!04X!::%4!s! [%1!s!]%2!s!", values, 1)
        assert text == ["[1]0004.001C::now [drv]"]

    def test_only_rows_asked_for(self):
        """Rows are printed in the order in which they are asked for, and no other."""
        payloads = [f"{number}\0".encode() + U4(number) for number in range(9)]
        (decoded,) = decode_payloads(define("ItemString", "ItemLong", text="%0%10!s!=%11!d!"), payloads)
        assert render(decoded, [7, 2, 2]) == ["7=7", "2=2", "2=2"]
        assert render(decoded, []) == []

    def test_what_is_missing_says_so(self):
        """A cut payload shows what it has."""
        definition = define("ItemLong", "ItemString", "ItemDouble", text="%0%10!d! %11!s! %12!f!")
        (decoded,) = decode_payloads(definition, [U4(1) + b"a", b"", U4(1) + b"a\0" + bytes(8)])
        assert render(decoded) == [
            f"1 {MISSING} {MISSING}",
            f"{MISSING} {MISSING} {MISSING}",
            "1 a 0.000000",
        ]


class TestBounds:
    """What a hostile definition costs."""

    def test_a_width_of_gigabytes_is_not_obeyed(self):
        """The value is there, unpadded, and a note says why."""
        definition = define("ItemLong", text="%0%10!999999999d! %10!4d!")
        (decoded,) = decode_payloads(definition, [U4(1)])
        assert render(decoded) == ["1    1"]
        assert len(template_of(definition).notes) == 1

    def test_widths_are_bounded_together(self):
        """A thousand wide values are no wider than one."""
        definition = define("ItemLong", text="%0" + "%10!4000d!" * 1000)
        (decoded,) = decode_payloads(definition, [U4(1)])
        assert len(render(decoded)[0]) == 4000 + 999
        assert template_of(definition).notes

    def test_a_long_text_is_cut(self):
        """One long argument that is shown often does not multiply without end."""
        definition = define("ItemPString", text="%0" + "%10!s!" * 500)
        (decoded,) = decode_payloads(definition, [struct.pack("<H", 60_000) + b"a" * 60_000])
        (text,) = render(decoded)
        assert len(text) == LONGEST
        assert text.endswith("a...")

    @given(
        st.text("%!0123456789dsxp*.-# FUNClevel\0\x1b", max_size=60),
        st.lists(st.binary(max_size=40), min_size=1),
    )
    def test_no_format_raises(self, text, payloads):
        """Any format string over any payload gives a text for each row."""
        for kind in TYPES:
            (decoded,) = decode_payloads(define(kind, text=text), payloads)
            assert len(render(decoded)) == len(payloads)
