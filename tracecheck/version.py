"""The version of the installed package."""

from __future__ import annotations


def version() -> str:
    """Tell the version; where the package is only a folder of sources there is none."""
    from importlib import metadata

    try:
        return metadata.version("tracecheck")
    except metadata.PackageNotFoundError:
        return "0+not.installed"
