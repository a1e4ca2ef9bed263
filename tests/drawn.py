"""Random runs of simulated machines: what is drawn of a scenario, the same for the same seed."""

import random

from tracecheck.simulate import Scenario
from tracecheck.simulate.scenario import Mix

OPERATIONS = 400
MIXES = (
    Mix(),
    Mix(handles=1.0, files=1.0, transactions=0.5, uses=1.0, nested=1.0),
    Mix(read=1, write=1, reset=30, drop=30, work=20, scan=1, dirty=10),
    Mix(failures=0.4, shortage=0.05, paging=0.1, related=40, control=30),
)


def scenario(seed, *conditions, **more):
    """Draw a run: the same seed gives the same one."""
    draw = random.Random(seed)
    drawn = {
        "operations": OPERATIONS,
        "duration": draw.choice([0.0, 1.0, 10.0]),
        "processors": draw.choice([1, 2, 4]),
        "threads": draw.choice([2, 6, 16]),
        "drivers": draw.choice([1, 1, 2]),
        "pointer_size": draw.choice([4, 8]),
        "begin": draw.random() < 0.7,
        "sequence": draw.random() < 0.7,
        "unload": draw.random() < 0.6,
        "mix": draw.choice(MIXES),
    }
    return Scenario(seed=seed, conditions=frozenset(conditions), **(drawn | more))
