"""`tracecheck check` on a simulated trace, whole process: with all rules, and with the first ones alone.

python benchmarks/check.py [--operations 2000000] [--runs 3] [--fault R01]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from measure import Timed, machine, measure, table

#: The rules of the first version.
FIRST = ("L01", "L02", "L03", "L09", "R01", "R02", "R03", "R04", "R05", "M01", "M04")
RUN = "import sys; from tracecheck.cli import main; sys.exit(main())"

#: The same with those alone: what else is in the table of rules is taken out before it is applied.
FEW = (
    "import sys; from tracecheck.rules import RULES; "
    f"[RULES.pop(code) for code in set(RULES) - set({FIRST})]; " + RUN.removeprefix("import sys; ")
)


def main() -> None:
    """Simulate a trace, check it, and print Markdown."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--operations", type=int, default=2_000_000)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--fault", default="R01")
    given = arguments.parse_args()
    print(f"Measured on {machine()}.\n")
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "large.etl"
        options = ["--operations", str(given.operations), "--threads", "16", "--fault", given.fault]
        simulate = Timed("simulate", [sys.executable, "-c", RUN, "simulate", "-o", str(trace), *options], 1)
        measure([simulate])
        check = Timed(
            "check", [sys.executable, "-c", RUN, "check", str(trace), "--format", "json"], given.runs
        )
        few = Timed("the first rules alone", [sys.executable, "-c", FEW, *check.command[3:]], given.runs)
        check.name = "all rules"
        measure([few, check])
        operations = json.loads(check.output)["summary"]["operations"]
        title = f"{operations:,} operations in {trace.stat().st_size / 1e6:.0f} MB"
        print(table(title, [few, check], operations, "operations"))


if __name__ == "__main__":
    main()
