"""The messages of Microsoft's sample minifilters, as their sources have them."""

from pathlib import Path
from typing import NamedTuple


class Fact(NamedTuple):
    """A message: the driver's profile, source file, line, and format."""

    driver: str
    file: str
    line: int
    text: str


def _read():
    path = Path(__file__).with_name("sample_messages.tsv")
    for row in path.read_text(encoding="utf-8").splitlines():
        if not row.startswith("#"):
            driver, file, line, text = row.split("\t")
            yield Fact(driver, file, int(line), text.encode().decode("unicode_escape"))


FACTS = tuple(_read())
