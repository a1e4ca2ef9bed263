"""Runs a notebook as Jupyter does: its code cells in order, in one namespace, each showing its last value."""

import ast
import json


def cells(path, kind):
    """Give the sources of a notebook's cells of a kind."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == kind]


def run(path):
    """Run all code cells in the working directory; give what each shows, as HTML where it has that."""
    names = {"__name__": "__main__"}
    return [
        shown(execute(source, names, f"{path.name}[{i}]")) for i, source in enumerate(cells(path, "code"))
    ]


def execute(source, names, where):
    """Run one cell; give the value of its last expression."""
    tree = ast.parse(source, where)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, where, "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), where, "eval"), names)


def shown(value):
    """Show a value as Jupyter does: its HTML, else its text; nothing of None."""
    if value is None:
        return None
    draw = getattr(value, "_repr_html_", None)
    return (draw() if draw else None) or repr(value)
