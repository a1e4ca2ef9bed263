"""The walls between the rooms: data flow one way, and help loads nothing heavy."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tracecheck.etl.writer import LogWriter
from tracecheck.simulate import tracelogging

PACKAGE = Path(__file__).resolve().parents[1] / "tracecheck"

#: Each room may import what stands before it. ``__init__`` is the library's front door.
ORDER = (
    "version",
    "errors",
    "etl",
    "payload",
    "fltmgr",
    "operations",
    "replay",
    "rules",
    "blame",
    "capture",
    "triage",
    "reporters",
    "commands",
    "notebook",
    "__init__",
    "cli",
    "__main__",
)
#: The simulator writes what the reader reads: were they to share code, a mistake could hide in both.
SIMULATE_MAY = (
    "tracecheck.etl.writer",
    "tracecheck.etl.layout",
    "tracecheck.payload.wpp.definition",
    "tracecheck.fltmgr",
    "tracecheck.errors",
)
THIRD_PARTY = {"numpy", "pyarrow", "click", "rich", "defusedxml"}
#: Libraries that an extra brings, and the one module that may import each.
EXTRAS = {
    "purepdb": {"tracecheck.payload.pdb_container"},
    "pandas": {"tracecheck.notebook.frames"},
    "plotly": {"tracecheck.notebook.plots"},
}

MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


def imports(path, *, at_run_time=False):
    """List the modules that a file imports, those inside functions too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = set()
    if at_run_time:
        guards = [
            n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)
        ]
        skipped = {id(inner) for guard in guards for node in guard.body for inner in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: a relative import hides which room it names"
            found.update(_from(node))
    return found


def _from(node):
    """Name what ``from x import y`` imports: the module x.y where there is one, else x."""
    for alias in node.names:
        whole = f"{node.module}.{alias.name}"
        yield whole if whole in MODULES else node.module


def room(module):
    """Name the room of a module of the package."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def own(names):
    """Keep the package's modules."""
    return {name for name in names if name.split(".")[0] == "tracecheck"}


class TestWalls:
    """Who imports whom."""

    @pytest.mark.parametrize("module", [name for name in MODULES if room(name) != "simulate"])
    def test_a_room_imports_only_what_stands_before_it(self, module):
        """Container, payloads, operations, replay, rules and reports each know only what comes before."""
        here = room(module)
        assert here in ORDER, f"{module}: give the new room its place in ORDER"
        before = set(ORDER[: ORDER.index(here) + 1])
        if here == "commands":
            before.add("simulate")
        strangers = {name for name in own(imports(MODULES[module])) if room(name) not in before}
        assert not strangers

    @pytest.mark.parametrize("module", [name for name in MODULES if room(name) == "simulate"])
    def test_the_simulator_shares_no_code_with_the_reader(self, module):
        """The simulator imports the writer, the format's constants and the promises of FltMgr alone."""
        names = own(imports(MODULES[module]))
        assert {
            name for name in names if room(name) != "simulate" and not name.startswith(SIMULATE_MAY)
        } == set()

    def test_the_promises_of_the_filter_manager_are_data(self):
        """``fltmgr`` imports nothing of the package."""
        found = {
            name for module in MODULES if room(module) == "fltmgr" for name in own(imports(MODULES[module]))
        }
        assert {name for name in found if room(name) != "fltmgr"} == set()

    def test_no_module_imports_itself_round_a_corner(self):
        """What is imported when the package runs makes no circle."""
        graph = {name: own(imports(path, at_run_time=True)) - {name} for name, path in MODULES.items()}
        assert len(list(TopologicalSorter(graph).static_order())) >= len(MODULES)

    def test_nothing_else_is_imported(self):
        """The package needs its dependencies and Python; its peers are for tests alone."""
        allowed = sys.stdlib_module_names | THIRD_PARTY | {"tracecheck"} | set(EXTRAS)
        found = {name.split(".")[0] for path in MODULES.values() for name in imports(path)}
        assert found <= allowed

    @pytest.mark.parametrize("library", EXTRAS)
    def test_what_an_extra_brings_has_one_door(self, library):
        """A library that may be missing is imported by one module, which says how to get it."""
        doors = {name for name, path in MODULES.items() if library in imports(path, at_run_time=True)}
        assert doors == EXTRAS[library]


class TestStart:
    """What a start costs."""

    @pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["no-such-command"]])
    def test_help_loads_nothing_heavy(self, arguments):
        """Help answers at once because no array library is loaded for it."""
        code = (
            "import sys\nfrom tracecheck.cli import main\n"
            f"main({arguments!r})\n"
            "print('LOADED', sorted({'numpy', 'pyarrow', 'pandas', 'rich'} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == "LOADED []"

    def test_the_library_loads_nothing_before_it_is_used(self):
        """``import tracecheck`` is free."""
        code = "import sys, tracecheck; print(sorted(m for m in sys.modules if m.startswith('tracecheck.')))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout == "[]\n"

    def test_no_command_needs_pandas(self, tmp_path):
        """Pandas is no dependency: without it, times in nanoseconds and losses are read all the same."""
        log = LogWriter()
        fields = (tracelogging.Field("Context", "hexint64"), tracelogging.Field("Sequence", "uint64"))
        for number, routine in enumerate(("FltAllocateContext", "FltReferenceContext", "FltReleaseContext")):
            items = tracelogging.items(routine, fields)
            payload = tracelogging.encode(fields, [0x1000, 2 * number])
            log.event(
                0, number + 1, pid=4, tid=8, provider=tracelogging.PROVIDER, items=items, payload=payload
            )
            log.lose_events(0, 1)
        path = str(tmp_path / "lossy.etl")
        log.write(path)
        runs = [["check", path], ["info", path], ["events", path], ["timeline", path, "0x1000"]]
        code = (
            "import sys\nfrom importlib.abc import MetaPathFinder\n"
            "class NoPandas(MetaPathFinder):\n"
            "    def find_spec(self, name, path, target=None):\n"
            "        if name == 'pandas': raise ModuleNotFoundError(name)\n"
            "sys.meta_path.insert(0, NoPandas())\n"
            "from tracecheck.cli import main\n"
            f"print([main(arguments) for arguments in {runs!r}])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "internal error" not in done.stderr
        assert done.stdout.splitlines()[-1] == "[3, 0, 0, 0]"
