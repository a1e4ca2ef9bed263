"""The page on the simulated forms says what the forms write."""

import re
from pathlib import Path

from told import definitions

from tracecheck.operations.canonical import _NUMBERS, _POINTERS
from tracecheck.simulate import Scenario, simulate
from tracecheck.simulate.forms import FORMS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "simulated-forms.md").read_text(encoding="utf-8")
TAIL = re.compile(r" (?:Irql|MajorFunction|Phase|PagingFile|Begin)=%\d+!\w+!")
COLUMNS = {field: column for column, field in (_POINTERS | _NUMBERS).items()}
COLUMNS |= {"ContextType": "context_type"}
COLUMNS |= {
    f"{name}Context": "context"
    for name in ("Volume", "Instance", "File", "Stream", "StreamHandle", "Transaction", "Section")
}


def rows():
    """Write the table of messages: text without what tells where the call ran, arguments and columns."""
    found = set()
    for message in definitions(simulate(Scenario(operations=100), "wpp").beside).values():
        text = TAIL.sub("", message.format.removeprefix("%0").removeprefix("%!FUNC!: "))
        places = []
        for number, (name, _, _) in enumerate(message.items, 10):
            if f"%{number}!" in text:
                places.append(f"{number} {COLUMNS.get(name, '-')}")
        found.add((re.match(r"\w+", text)[0], len(text), f"| `{text}` | {', '.join(places)} |"))
    return [row for _, _, row in sorted(found)]


class TestPage:
    """docs/simulated-forms.md."""

    def test_it_has_every_message_with_its_columns(self):
        """The table of messages is the one that the WPP form makes."""
        table = PAGE.partition("<!-- messages -->\n")[2].partition("<!-- end -->")[0]
        assert table.splitlines()[3:-1] == rows()

    def test_it_names_every_form(self):
        """Each form of `--form` is there."""
        assert all(f"`{name}`" in PAGE for name in FORMS)
