"""Functions and lines from PDBs: only from the right one, wherever it lies, whatever it holds."""

import shutil
import subprocess
import uuid

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracecheck.errors import InputError
from tracecheck.payload.symbol_path import SymbolPath, file_name, split_symbol_path, store_key
from tracecheck.payload.symbols import Symbols, read_pdb

GUID = uuid.UUID("12345678-9abc-def0-1122-334455667788")

SOURCE = """typedef unsigned long long u64;
__attribute__((noinline)) static u64 CtxHash(u64 a)
{
    for (int i = 0; i < 3; i++)
        a = a * 33 + i;
    return a;
}
__attribute__((noinline)) u64 CtxCleanup(u64 a)
{
    if (a > 10)
        return CtxHash(a) + 1;
    return CtxHash(a);
}
u64 DriverEntry(u64 a)
{
    return CtxCleanup(a) ^ CtxHash(a + 1);
}
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    """A folder with a driver and its PDB, as clang and lld make them; skipped without them."""
    folder = tmp_path_factory.mktemp("driver")
    if not all(map(shutil.which, ("clang", "lld-link", "llvm-symbolizer"))):
        pytest.skip("clang, lld-link and llvm-symbolizer are needed to make a PDB and to read it")
    (folder / "ctx.c").write_text(SOURCE)
    target = ["clang", "--target=x86_64-pc-windows-msvc", "-g", "-gcodeview", "-O1", "-ffreestanding"]
    link = ["lld-link", "/debug", "/entry:DriverEntry", "/subsystem:native", "/nodefaultlib", "/driver"]
    for command in ([*target, "-c", "ctx.c", "-o", "ctx.obj"], [*link, "/out:ctx.sys", "ctx.obj"]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def identity(driver):
    """The GUID and age that the driver's image asks for."""
    purepdb = pytest.importorskip("purepdb")
    with purepdb.PDB.open(str(driver / "ctx.pdb")) as pdb:
        return uuid.UUID(bytes_le=pdb.info().guid), pdb.dbi.age


def images(guid, age, pdb="ctx.pdb", name=r"\SystemRoot\drivers\ctx.sys"):
    """A table of one image."""
    return pa.table(
        {
            "name": pa.array([name]).dictionary_encode(),
            "guid": pa.array([guid and str(guid)]).dictionary_encode(),
            "age": pa.array([age], pa.uint32()),
            "pdb": pa.array([pdb]).dictionary_encode(),
        }
    )


def resolved(symbols, table, offsets, returns=None):
    """What the symbols say of some offsets in the one image."""
    rows = np.zeros(len(offsets), np.int64)
    return symbols.resolve(table, rows, np.array(offsets, np.uint64), returns).to_pylist()


def by_llvm(driver, offsets):
    """What llvm-symbolizer says: the function and the line of each offset."""
    text = subprocess.run(
        ["llvm-symbolizer", "--obj=ctx.sys", "--no-inlines", "--functions=linkage", "--relative-address"],
        cwd=driver,
        input="\n".join(map(hex, offsets)),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    out = []
    for block in text.strip().split("\n\n"):
        function, place = block.split("\n")[:2]
        out.append((function, int(place.rsplit(":", 2)[1])))
    return out


class TestFunctions:
    """Places in an image."""

    def test_every_byte_of_the_code_is_named_as_llvm_names_it(self, driver, identity):
        """Function and line are those of llvm-symbolizer for every offset within a function."""
        pdb = read_pdb(driver / "ctx.pdb", *identity)
        offsets = [
            offset
            for start, size in zip(pdb.start.tolist(), pdb.size.tolist(), strict=True)
            for offset in range(start, start + size)
        ]
        rows = resolved(Symbols([driver]), images(*identity), offsets)
        assert {row["function"] for row in rows} == {"CtxHash", "CtxCleanup", "DriverEntry"}
        assert [(row["function"], row["line"]) for row in rows] == by_llvm(driver, offsets)
        assert {row["module"] for row in rows} == {"ctx.sys"}
        assert all(row["file"].endswith("ctx.c") for row in rows)
        assert sum(row["displacement"] == 0 for row in rows) == 3

    def test_a_return_address_belongs_to_the_call_before_it(self, driver, identity):
        """The first byte behind a function that ends in a call still names that function."""
        pdb = read_pdb(driver / "ctx.pdb", *identity)
        start, size = int(pdb.start[0]), int(pdb.size[0])
        (row,) = resolved(Symbols([driver]), images(*identity), [start + size], np.array([True]))
        assert (row["function"], row["displacement"]) == (pdb.functions[0], size)

    def test_what_lies_in_no_function_has_no_name(self, driver, identity):
        """Headers and padding of an image are the module's and no function's."""
        (row,) = resolved(Symbols([driver]), images(*identity), [0])
        assert row == {
            "module": "ctx.sys",
            "function": None,
            "displacement": None,
            "file": None,
            "line": None,
        }

    def test_images_without_a_debug_id(self, driver):
        """An unknown image, and one without a PDB, are no error."""
        table = Symbols([driver]).resolve(images(None, None, None), np.array([0, -1]), np.zeros(2, np.uint64))
        assert [row["module"] for row in table.to_pylist()] == ["ctx.sys", None]


class TestMatching:
    """Which PDB is used."""

    @pytest.mark.parametrize(
        "place", ["ctx.pdb", "CTX.PDB", "ctx.pdb/{key}/ctx.pdb", "ct/ctx.pdb/{key}/CTX.pdb"]
    )
    def test_folders_and_stores(self, driver, identity, tmp_path, place):
        """A PDB is found in a flat folder and in stores of two and three tiers, whatever the case."""
        target = tmp_path / place.format(key=store_key(*identity).lower())
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(driver / "ctx.pdb", target)
        symbols = Symbols([tmp_path / "nowhere", tmp_path])
        pdb = read_pdb(driver / "ctx.pdb", *identity)
        (row,) = resolved(symbols, images(*identity, r"C:\build\x64\ctx.pdb"), [int(pdb.start[0])])
        assert row["function"] == pdb.functions[0]
        assert symbols.warnings == symbols.missing == []

    def test_the_file_itself(self, driver, identity):
        """A PDB may be named itself."""
        symbols = Symbols([driver / "ctx.pdb"])
        resolved(symbols, images(*identity), [0])
        assert symbols.missing == []

    def test_another_build_is_not_used(self, driver, identity):
        """A PDB of another GUID or age gives no names, and says so once."""
        guid, age = identity
        for wrong in ((GUID, age), (guid, age + 7)):
            symbols = Symbols([driver])
            for _ in range(3):
                rows = resolved(symbols, images(*wrong), [0x1000, 0x1001])
                assert [row["function"] for row in rows] == [None, None]
            (warning,) = symbols.warnings
            assert "not the PDB of the traced image" in warning
            assert str(wrong[0]) in warning
            assert symbols.missing == ["ctx.pdb"]

    def test_a_name_cannot_leave_the_folders(self, tmp_path):
        """The path in an image is not followed; only its last part is looked for."""
        (tmp_path / "in").mkdir()
        (tmp_path / "x.pdb").write_bytes(b"")
        for name in ("../x.pdb", r"..\x.pdb", str(tmp_path / "x.pdb")):
            assert list(SymbolPath([tmp_path / "in"]).candidates(name, GUID, 1)) == []

    @given(st.text(max_size=40))
    def test_any_name_is_no_path(self, text):
        """Whatever a trace calls a PDB, what is looked for is one name or nothing."""
        name = file_name(text)
        assert name is None or (name and not set(name) & set("/\\:\0\n") and name.strip(". "))

    @pytest.mark.parametrize("name", ["", "..", "a/..", "a\\", "a\0.pdb", "c:x.pdb:s", "x" * 300, "a\n"])
    def test_what_is_no_name(self, name):
        """Names that no file of a linker has are refused."""
        assert file_name(name) is None


class TestSymbolPath:
    """_NT_SYMBOL_PATH."""

    @pytest.mark.parametrize(
        ("text", "folders", "servers"),
        [
            ("C:\\symbols", ["C:\\symbols"], []),
            ("srv*C:\\store*https://example.org/s", ["C:\\store"], ["https://example.org/s"]),
            ("cache*/c;/a;;SRV*/b*/d*http://x", ["/c", "/a", "/b", "/d"], ["http://x"]),
            ("symsrv*symsrv.dll*/s*https://x;/s", ["/s"], ["https://x"]),
            (r"srv*C:\s*https://x/y;C:\s", ["C:\\s"], ["https://x/y"]),
            (r"cache*;cache*C:\c;srv*http://x", ["C:\\c"], ["http://x"]),
            (r"symsrv*symsrv.dll*C:\s*\\host\share*https://x", ["C:\\s", r"\\host\share"], ["https://x"]),
            (r"symsrv*other.dll*C:\s", ["C:\\s"], []),
            ("https://x", [], ["https://x"]),
            ("srv*;;*", [], []),
            ("srv*", [], []),
            ("", [], []),
        ],
    )
    def test_its_parts(self, text, folders, servers):
        """Folders and the stores of servers are local; addresses are servers."""
        assert split_symbol_path(text) == (folders, servers)

    @pytest.mark.parametrize("age", [1, 10, 255])
    def test_keys_of_a_store(self, age):
        """A key is the GUID without dashes and the age in hex, in capitals."""
        assert store_key(GUID, age) == f"123456789ABCDEF01122334455667788{age:X}"


class TestHostileFiles:
    """PDBs that are none."""

    @pytest.mark.parametrize("share", range(10))
    def test_a_pdb_cut_anywhere(self, driver, identity, tmp_path, share):
        """A PDB that was cut is an error in one line, or gives what is left of it."""
        data = (driver / "ctx.pdb").read_bytes()
        path = tmp_path / "ctx.pdb"
        path.write_bytes(data[: len(data) * share // 10])
        symbols = Symbols([path])
        resolved(symbols, images(*identity), [0x1000])
        assert len(symbols.warnings) <= 1
        assert all("\n" not in line and str(path) in line for line in symbols.warnings)

    @pytest.mark.parametrize("seed", range(25))
    def test_a_pdb_with_random_bytes(self, driver, identity, tmp_path, seed):
        """A PDB with lies in it is read as far as it goes, or refused."""
        data = np.frombuffer((driver / "ctx.pdb").read_bytes(), np.uint8).copy()
        random = np.random.default_rng(seed)
        data[random.integers(32, data.size, 200)] = random.integers(0, 256, 200)
        path = tmp_path / "ctx.pdb"
        path.write_bytes(data.tobytes())
        symbols = Symbols([path])
        resolved(symbols, images(*identity), list(range(0x1000, 0x1100)))
        assert len(symbols.warnings) <= 1

    def test_folders_and_texts_are_no_pdbs(self, tmp_path):
        """What is no PDB is said to be none."""
        (tmp_path / "a.pdb").write_text("not a PDB")
        with pytest.raises(InputError, match="can't be read as a PDB"):
            read_pdb(tmp_path / "a.pdb", GUID, 1)
        with pytest.raises(InputError, match="cannot be read"):
            read_pdb(tmp_path / "none.pdb", GUID, 1)
