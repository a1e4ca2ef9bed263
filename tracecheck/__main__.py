"""``python -m tracecheck``: the command line without its script."""

import sys

from tracecheck.cli import main

if __name__ == "__main__":
    sys.exit(main())
