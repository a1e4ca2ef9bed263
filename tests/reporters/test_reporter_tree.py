"""`tree`: what is taken and dropped adds up, however the tree is turned."""

import json

import numpy as np
import pytest
from truths import play

from tracecheck.etl import plain_rows
from tracecheck.reporters.tree import Node, grow, pruned, render_json, render_text
from tracecheck.simulate import Fault, Scenario


@pytest.fixture(scope="module")
def capture(tmp_path_factory):
    """A capture with a leak and a release too many."""
    faults = (Fault("L09"), Fault("R01"))
    run = Scenario(seed=6, operations=900, returns=True, nested=False, faults=faults)
    return play(run, tmp_path_factory.mktemp("tree") / "tree.etl")[1]


def everything(node):
    """All nodes of a tree."""
    yield node
    for child in node.children.values():
        yield from everything(child)


class TestTree:
    """The tree of a whole capture."""

    @pytest.mark.parametrize("invert", [False, True])
    @pytest.mark.parametrize("collapse", [False, True])
    def test_the_sums_are_those_of_the_capture(self, capture, invert, collapse):
        """The root has all that was taken and dropped, and every node what its children have."""
        root = grow(capture, np.arange(capture.contexts.num_rows), invert=invert, collapse=collapse)
        steps = plain_rows(capture.steps)
        assert root.taken == sum(step["delta_owned"] > 0 for step in steps)
        assert root.dropped == sum(step["delta_owned"] < 0 or "release" in step["fault"] for step in steps)
        for node in everything(root):
            if node.children:
                assert node.taken == sum(child.taken for child in node.children.values())
                assert node.dropped == sum(child.dropped for child in node.children.values())

    def test_only_the_faulty_places_are_unbalanced(self, capture):
        """What is left of the tree are the acquire of the leak and the release too many."""
        left = pruned(grow(capture, np.arange(capture.contexts.num_rows)))
        sites = {
            name: node.balance for child in left.children.values() for name, node in child.children.items()
        }
        assert sites == {
            "FltGetStreamContext at SimPreRead (operations.c:412)": 1,
            "FltReleaseContext at SimPreRead (operations.c:441)": -1,
        }

    def test_of_no_contexts_the_tree_is_empty(self, capture):
        """A selection that is empty has a root and nothing else."""
        root = grow(capture, np.zeros(0, np.int64))
        assert (root.taken, root.dropped, root.children) == (0, 0, {})
        assert list(render_text(root)) == ["taken  dropped  balance\n", "    0        0        0  all\n"]


class TestText:
    """The two forms."""

    @pytest.fixture
    def root(self):
        """A small tree with a name that could steer a terminal."""
        root = Node("all")
        root.add(("Read\x1b[2J", "get", "release"), 1200, 1200)
        root.add(("Read\x1b[2J", "get", "(never released)"), 1, 0)
        root.add(("Write", "get", "release"), 7, 7)
        return root

    def test_text(self, root):
        """The largest balance first, each level two blanks further in, no escape gets through."""
        assert "".join(render_text(root)) == (
            "taken  dropped  balance\n"
            "1,208    1,207       +1  all\n"
            "1,201    1,200       +1    Read\\x1b[2J\n"
            "1,201    1,200       +1      get\n"
            "    1        0       +1        (never released)\n"
            "1,200    1,200        0        release\n"
            "    7        7        0    Write\n"
            "    7        7        0      get\n"
            "    7        7        0        release\n"
        )

    def test_json(self, root):
        """The same as nested objects."""
        read = json.loads("".join(render_json(root, ("a.etl",), 3)))
        assert (read["captures"], read["contexts"], read["tree"]["balance"]) == (["a.etl"], 3, 1)
        first = read["tree"]["children"][0]["children"][0]["children"][0]
        never = {"name": "(never released)", "taken": 1, "dropped": 0, "balance": 1, "children": []}
        assert first == never
