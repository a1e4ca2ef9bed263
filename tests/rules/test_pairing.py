"""Which release answers which acquire, in one stretch of a life and as a whole capture shows it."""

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tracecheck.rules.pairing import BY_FUNCTION, BY_ORDER, BY_PATTERN, BY_THREAD, Taken, pair
from tracecheck.rules.patterns import Effects, closed, learn, stretches

GET, OTHER_GET, RELEASE, OTHER_RELEASE = 1, 2, 11, 12


def took(site=GET, thread=1, function=1, *, stored=False):
    """An acquire."""
    return Taken(1, thread, function, stored, site)


def dropped(site=RELEASE, thread=1, function=1):
    """A release."""
    return Taken(-1, thread, function, False, site)


TAKEN = st.lists(
    st.builds(
        Taken,
        st.sampled_from([1, -1]),
        st.integers(1, 3),
        st.integers(1, 3),
        st.booleans(),
        st.integers(1, 4),
    ),
    max_size=30,
)
PARTNERS = st.dictionaries(st.integers(1, 4), st.frozensets(st.integers(1, 4), max_size=3))


class TestPair:
    """One stretch."""

    @settings(max_examples=300, deadline=None)
    @given(taken=TAKEN, partners=PARTNERS)
    def test_every_call_has_one_partner_at_most(self, taken, partners):
        """Each acquire and release is in one pair, is left over, and never both; a release comes later."""
        pairing = pair(taken, partners)
        acquires = [one for one, _, _ in pairing.pairs] + pairing.open.steps
        releases = [other for _, other, _ in pairing.pairs] + pairing.extra
        assert sorted(acquires) == [i for i, one in enumerate(taken) if one.delta > 0]
        assert sorted(releases) == [i for i, one in enumerate(taken) if one.delta < 0]
        assert all(one < other for one, other, _ in pairing.pairs)
        assert set(pairing.open.steps) <= set(pairing.open.candidates)
        assert set(pairing.extra) <= set(pairing.strays)

    @settings(max_examples=300, deadline=None)
    @given(taken=TAKEN)
    def test_what_is_not_open_is_no_extra(self, taken):
        """Where nothing is usual, no release is left over behind an acquire that is open."""
        pairing = pair(taken)
        assert all(one > extra for one in pairing.open.steps for extra in pairing.extra)

    def test_thread_and_function_come_first_then_what_is_usual_then_order(self):
        """Each way of finding a partner has its turn."""
        taken = [
            took(GET, thread=1),
            took(OTHER_GET, thread=2),
            took(GET, thread=3, function=3),
            took(GET, thread=4, function=4),
            dropped(RELEASE, thread=9, function=9),
            dropped(OTHER_RELEASE, thread=1, function=7),
            dropped(OTHER_RELEASE, thread=8, function=8),
            dropped(OTHER_RELEASE, thread=4, function=4),
        ]
        found = pair(taken, {RELEASE: frozenset({OTHER_GET})})
        assert found.pairs == [
            (0, 5, BY_THREAD),
            (1, 4, BY_PATTERN),
            (2, 6, BY_ORDER),
            (3, 7, BY_FUNCTION),
        ]

    def test_a_release_of_the_function_may_belong_to_a_call_before_it(self):
        """What is usual holds against nesting: the release answers what came from elsewhere."""
        taken = [took(GET, thread=1), took(OTHER_GET, thread=2, function=2), dropped(RELEASE, 2, 2)]
        assert pair(taken, {RELEASE: frozenset({GET})}).open.steps == [1]
        assert pair(taken).open.steps == [0]

    def test_the_missing_one_of_two_is_known_by_the_site_of_the_other(self):
        """Of two acquires of a function the one is open whose usual release did not come."""
        taken = [took(GET), took(OTHER_GET), dropped(RELEASE)]
        found = pair(taken, {RELEASE: frozenset({GET}), OTHER_RELEASE: frozenset({OTHER_GET})})
        assert found.open.steps == [1]
        assert found.open.candidates == [0, 1]

    def test_time_grows_with_the_steps_alone(self):
        """Many open references, and releases by strangers, cost no more than as many steps."""
        taken = [took(i % 7, i % 13, i % 5, stored=i % 3 == 0) for i in range(30_000)]
        taken += [dropped(i % 7, 99, i % 5) for i in range(30_000)]
        started = time.perf_counter()
        found = pair(taken, {i: frozenset(range(7)) for i in range(7)})
        assert time.perf_counter() - started < 10
        assert not found.open.steps


def effects(*lives):
    """Effects of several lives, each a list of what it took and dropped."""
    flat = [(life, one) for life, taken in enumerate(lives) for one in taken]
    owned = [sum(other.delta for other in taken[: i + 1]) for taken in lives for i in range(len(taken))]
    columns = [[getattr(one, name) for _, one in flat] for name in ("delta", "thread", "function", "site")]
    delta, thread, function, site = (np.array(column, np.int64) for column in columns)
    stored = np.array([one.stored for _, one in flat], np.bool_)
    return Effects(
        np.array([life for life, _ in flat]), delta, np.array(owned), thread, function, site, stored
    )


class TestLearn:
    """A capture."""

    def test_short_stretches_explain_long_ones(self):
        """What one reference alone shows tells which of two a release answers, and so what the other does."""
        alone = [took(GET), dropped(RELEASE, 2, 2)]
        both = [
            took(GET),
            took(OTHER_GET, thread=2, function=2, stored=True),
            dropped(RELEASE, 2, 2),
            dropped(OTHER_RELEASE, 3, 3),
        ]
        seen = effects(alone, both, alone)
        starts, ends = stretches(seen)
        assert closed(seen, starts, ends).all()
        assert learn(seen, starts, ends) == {RELEASE: {GET}, OTHER_RELEASE: {OTHER_GET}}

    def test_a_life_is_cut_where_nothing_is_owned(self):
        """Stretches end where the count is zero, and where the life ends."""
        seen = effects([took(), dropped(), took(), took(), dropped()], [took()])
        starts, ends = stretches(seen)
        assert (starts.tolist(), ends.tolist()) == ([0, 2, 5], [2, 5, 6])
        assert closed(seen, starts, ends).tolist() == [True, False, False]
