"""The virtual machine: one clock, many threads, the same run every time."""

from hypothesis import given
from hypothesis import strategies as st

from tracecheck.simulate.machine import STALL, Machine, Thread


def play(seed, scripts, processors=2):
    """Run scripts of delays, a thread each; list (tick, thread, step)."""
    machine, seen = Machine(processors, seed, 1000), []

    def script(number, delays):
        for step, delay in enumerate(delays):
            seen.append((machine.now, number, step))
            yield delay

    for number, delays in enumerate(scripts):
        machine.run(Thread(4, 100 + number, 0), script(number, delays))
    machine.play()
    return seen


scripts = st.lists(st.lists(st.integers(1, 300), max_size=20), max_size=6)


class TestPlay:
    """Whose step is next."""

    @given(scripts)
    def test_steps_come_in_the_order_of_their_ticks(self, delays):
        """The clock never goes back, and every step comes exactly when its script said."""
        seen = play(1, delays)
        assert [tick for tick, _, _ in seen] == sorted(tick for tick, _, _ in seen)
        expected = {(1001 + sum(ds[:i]), n, i) for n, ds in enumerate(delays) for i in range(len(ds))}
        assert set(seen) == expected
        assert len(seen) == len(expected)

    @given(st.integers(0, 2**32), scripts)
    def test_the_same_seed_gives_the_same_run(self, seed, delays):
        """Nothing but the seed and the scripts settles the order."""
        assert play(seed, delays) == play(seed, delays)

    def test_a_halted_machine_stops_at_once(self):
        """No step follows the one that halts the machine."""
        machine, seen = Machine(1, 1, 0), []

        def script():
            for step in range(10):
                seen.append(step)
                machine.halted = step == 3
                yield 1

        machine.run(Thread(1, 1, 0), script())
        machine.play()
        assert seen == [0, 1, 2, 3]

    def test_only_an_interrupted_thread_moves(self):
        """A thread stays on its processor until a step takes so long that another thread had it."""
        machine, thread, cpus = Machine(8, 3, 0), Thread(1, 1, 5), []

        def script(ticks):
            for _ in range(50):
                cpus.append(thread.cpu)
                yield ticks

        machine.run(thread, script(STALL - 1))
        machine.play()
        assert set(cpus) == {5}
        machine.run(thread, script(STALL))
        machine.play()
        assert len(set(cpus)) > 1


class TestWork:
    """Worker threads."""

    def test_items_run_one_after_the_other_in_their_order(self):
        """A worker sleeps without work, wakes for it, and never runs two items at once."""
        machine, worker, seen = Machine(2, 1, 0), Thread(4, 8, 0), []

        def item(number):
            def steps(thread):
                seen.append((number, "begin", thread.tid))
                yield 50
                seen.append((number, "end", thread.tid))

            return steps

        def poster():
            for number in range(4):
                machine.post(worker, item(number))
                yield 5 if number < 2 else 500

        machine.serve(worker)
        machine.run(Thread(1, 1, 1), poster())
        machine.play()
        assert seen == [(n, what, 8) for n in range(4) for what in ("begin", "end")]


class TestDelays:
    """How long things take."""

    @given(st.integers(0, 1000), st.booleans())
    def test_a_step_takes_time_and_seldom_much(self, seed, long_stalls):
        """Every delay is at least a tick; a few in a thousand are stalls."""
        machine = Machine(1, seed, 0, long_stalls=long_stalls)
        drawn = [machine.delay() for _ in range(4000)]
        assert min(drawn) >= 1
        assert sum(ticks >= STALL for ticks in drawn) < 60
