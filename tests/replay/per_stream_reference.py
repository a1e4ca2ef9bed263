"""The states of a legacy per-stream context, one call after the other and every order by brute force.

Written from docs/replay.md without a look at the package's tables: states are words, and what a call does is
said once for each call.
"""

from itertools import permutations

NOTHING, IMPOSSIBLE = "", "impossible"


def step(state, stream, call, where):
    """Do one call: give the state after it, its stream, and a fault in words."""
    if call == "allocate":
        legal = state in ("unknown", "freed", "freed with its stream")
        return "allocated", 0, NOTHING if legal else IMPOSSIBLE
    if call == "first init":
        return "initialised", 0, NOTHING
    if call == "free":
        if state == "inserted":
            return "freed", 0, "freed while inserted"
        if state.startswith("freed"):
            return state, 0, "freed twice"
        return ("freed with its stream" if state == "torn down" else "freed"), 0, NOTHING
    if call == "teardown":
        return (
            ("torn down", 0, NOTHING) if (state, stream) == ("inserted", where) else (state, stream, NOTHING)
        )
    if call == "callback end":
        return ("torn down" if state == "unknown" else state), stream, NOTHING
    if state == "freed":
        return state, 0, "used after free"
    if state == "freed with its stream":
        return state, 0, "used after teardown"
    if call == "use":
        return state, stream, NOTHING
    if call == "callback":
        return "torn down", 0, NOTHING
    if state == "torn down":
        return state, 0, "used after teardown"
    return live(state, stream, call, where)


def live(state, stream, call, where):
    """Do a call on a block that is neither freed nor torn down."""
    if call == "init":
        return ("inserted", stream, NOTHING) if state == "inserted" else ("initialised", 0, NOTHING)
    if call == "insert":
        fault = {"allocated": "inserted before initialised", "inserted": "inserted twice"}.get(state, NOTHING)
        return "inserted", where, fault
    if call == "failed insert":
        if state == "unknown":
            return "initialised", 0, NOTHING
        return state, stream, "inserted before initialised" if state == "allocated" else NOTHING
    on_list = state in ("unknown", "inserted")
    if call == "lookup":
        return "inserted", where, NOTHING if on_list else IMPOSSIBLE
    assert call == "remove"
    return "removed", 0, NOTHING if on_list else IMPOSSIBLE


def play(calls):
    """Do calls of one pointer in an order: give (state, fault) after each."""
    state, stream, told = "unknown", 0, []
    for call, where in calls:
        state, stream, fault = step(state, stream, call, where)
        told.append((state, fault))
    return told


def orders(rows):
    """Give every order that intervals and threads allow; a row is (call, stream, thread, early, late)."""
    for order in permutations(range(len(rows))):
        place = {row: at for at, row in enumerate(order)}
        if all(
            place[a] < place[b]
            for a in range(len(rows))
            for b in range(len(rows))
            if (rows[a][2] == rows[b][2] and a < b) or rows[a][4] < rows[b][3]
        ):
            yield order


def least(rows, counts=lambda _row, _fault: True):
    """Give the least (impossible calls, faults that count) over all orders."""
    found = []
    for order in orders(rows):
        told = play([rows[row][:2] for row in order])
        impossible = sum(fault == IMPOSSIBLE for _, fault in told)
        wrong = [(row, fault) for row, (_, fault) in zip(order, told, strict=True)]
        faults = sum(fault not in (NOTHING, IMPOSSIBLE) and counts(row, fault) for row, fault in wrong)
        found.append((impossible, faults))
    return min(found)


def blocks(rows):
    """Give the blocks of a log whose calls do not overlap, by (pointer, generation).

    Args:
        rows: (pointer, call, stream) in the order of time.

    Returns:
        Birth, last state, whether the pointer was handed out again unfreed, and faults as (row, fault), of
        every block that a routine for per-stream contexts names.
    """
    found = {}
    for pointer in {row[0] for row in rows}:
        generation, state, stream = 0, "unknown", 0
        for at, (mine, call, where) in enumerate(rows):
            if mine != pointer:
                continue
            if call == "allocate":
                if state not in ("unknown", "freed", "freed with its stream"):
                    found[pointer, generation]["reused"] = True
                generation += 1
            if call == "init" and not generation:
                call = "first init"
            state, stream, fault = step(state, stream, call, where)
            fresh = {"birth": "allocated" if generation else "unknown", "reused": False, "faults": []}
            block = found.setdefault((pointer, generation), fresh | {"named": False})
            block["named"] |= call not in ("allocate", "free", "use")
            if fault not in (NOTHING, IMPOSSIBLE):
                block["faults"].append((at, fault))
            block["state"] = "freed" if state.startswith("freed") else state
    return {key: block for key, block in found.items() if block.pop("named")}
