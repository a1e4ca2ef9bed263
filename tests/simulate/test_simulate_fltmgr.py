"""The model filter manager against the table of what each routine does to the counts."""

import pytest

from tracecheck.fltmgr.status import (
    KEEP_IF_EXISTS,
    REPLACE_IF_EXISTS,
    STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND,
    STATUS_FLT_CONTEXT_ALREADY_DEFINED,
    STATUS_FLT_CONTEXT_ALREADY_LINKED,
    STATUS_FLT_DELETING_OBJECT,
    STATUS_INVALID_PARAMETER,
    STATUS_NOT_FOUND,
    STATUS_NOT_SUPPORTED,
    STATUS_SUCCESS,
)
from tracecheck.simulate.fltmgr import FilterManager
from tracecheck.simulate.objects import (
    FREED,
    SECTION,
    STREAM,
    STREAMHANDLE,
    AddressSpace,
    Filter,
    Instance,
    Stream,
    Volume,
)
from tracecheck.simulate.registration import REGISTRATIONS

SIZE = REGISTRATIONS[STREAM].size


class Bench:
    """A filter manager with one filter, instance and stream."""

    def __init__(self):
        self.manager = FilterManager(AddressSpace(8, 7))
        self.filter = Filter(0x100, 1)
        self.volume = Volume(0x200)
        self.instance = Instance(0x300, 2, self.volume)
        self.stream = Stream(0x400, self.volume)

    def allocate(self, kind=STREAM):
        """Allocate a context."""
        return self.manager.allocate(self.filter, kind, REGISTRATIONS[kind].size)[1]

    def set(self, context, operation=KEEP_IF_EXISTS, wanted=True, kind=STREAM):
        """Set a context on the stream."""
        return self.manager.set(self.instance, self.stream, kind, operation, context, wanted)

    def attached(self):
        """Give a context that only the stream holds."""
        context = self.allocate()
        self.set(context)
        assert not self.manager.release(context)
        return context


@pytest.fixture
def bench():
    """A bench."""
    return Bench()


def counts(context):
    """Give owned and link."""
    return context.owned, int(context.node is not None)


class TestSet:
    """Every outcome of FltSetXxxContext."""

    def test_an_empty_slot_takes_the_context(self, bench):
        """Success adds the object's reference to the new context and returns no old one."""
        context = bench.allocate()
        assert bench.set(context) == (STATUS_SUCCESS, None, None)
        assert counts(context) == (1, 1)

    @pytest.mark.parametrize(
        ("operation", "wanted", "status", "old", "new"),
        [
            (REPLACE_IF_EXISTS, True, STATUS_SUCCESS, (1, 0), (1, 1)),
            (REPLACE_IF_EXISTS, False, STATUS_SUCCESS, (0, 0), (1, 1)),
            (KEEP_IF_EXISTS, True, STATUS_FLT_CONTEXT_ALREADY_DEFINED, (1, 1), (1, 0)),
            (KEEP_IF_EXISTS, False, STATUS_FLT_CONTEXT_ALREADY_DEFINED, (0, 1), (1, 0)),
        ],
    )
    def test_a_taken_slot(self, bench, operation, wanted, status, old, new):
        """Replace moves the object's reference to the caller or drops it; keep gives one more or none."""
        first, second = bench.attached(), bench.allocate()
        got, returned, dead = bench.set(second, operation, wanted)
        assert (got, returned) == (status, first if wanted else None)
        assert dead is (first if old == (0, 0) else None)
        assert (counts(first), counts(second)) == (old, new)

    @pytest.mark.parametrize(
        ("spoil", "status"),
        [
            (lambda b, c: b.set(c), STATUS_FLT_CONTEXT_ALREADY_LINKED),
            (lambda b, _: setattr(b.instance, "tearing", True), STATUS_FLT_DELETING_OBJECT),
            (lambda b, _: setattr(b.stream, "supports", False), STATUS_NOT_SUPPORTED),
        ],
    )
    def test_a_refusal_changes_no_count(self, bench, spoil, status):
        """Already linked, being deleted, not supported: the new context's count stays."""
        context = bench.allocate()
        spoil(bench, context)
        before = counts(context)
        assert bench.set(context) == (status, None, None)
        assert counts(context) == before

    def test_the_type_must_be_the_setters(self, bench):
        """A context of another type is refused."""
        assert bench.set(bench.allocate(STREAMHANDLE))[0] == STATUS_INVALID_PARAMETER

    def test_a_deleted_context_can_be_set_again(self, bench):
        """After FltDeleteContext the context is linked to nothing."""
        context = bench.allocate()
        bench.set(context)
        bench.manager.delete_context(context)
        assert bench.set(context)[0] == STATUS_SUCCESS


class TestGetAndRelease:
    """References that the driver owns."""

    def test_get_adds_one_and_release_drops_one(self, bench):
        """The count returns to the object's own reference."""
        context = bench.attached()
        assert bench.manager.get(bench.instance, bench.stream, STREAM) == (STATUS_SUCCESS, context)
        bench.manager.reference(context)
        assert counts(context) == (2, 1)
        assert [bench.manager.release(context) for _ in range(2)] == [False, False]
        assert counts(context) == (0, 1)

    def test_what_is_not_there_is_not_found(self, bench):
        """An empty slot, another type and another instance give NOT_FOUND."""
        bench.attached()
        other = Instance(0x301, 3, bench.volume)
        for owner, kind in ((other, STREAM), (bench.instance, SECTION)):
            assert bench.manager.get(owner, bench.stream, kind) == (STATUS_NOT_FOUND, None)

    def test_the_last_release_kills_and_the_address_comes_back_first(self, bench):
        """Memory is reused last in, first out, as another generation."""
        contexts = [bench.allocate() for _ in range(3)]
        for context in contexts:
            assert bench.manager.release(context)
            bench.manager.free(context)
        again = bench.allocate()
        assert (again.pointer, again.generation) == (contexts[-1].pointer, 2)

    def test_nobody_releases_what_he_does_not_own(self, bench):
        """The model itself stops at a release that no legal driver makes."""
        context = bench.attached()
        with pytest.raises(AssertionError):
            bench.manager.release(context)


class TestDelete:
    """Every outcome of the delete routines."""

    def test_delete_context_drops_the_link_once(self, bench):
        """A second call does nothing."""
        context = bench.attached()
        bench.manager.reference(context)
        assert [bench.manager.delete_context(context) for _ in range(2)] == [False, False]
        assert counts(context) == (1, 0)

    @pytest.mark.parametrize(("wanted", "after"), [(True, (1, 0)), (False, (0, 0))])
    def test_delete_by_object(self, bench, wanted, after):
        """The object's reference goes to the caller who asks for it, else it is dropped."""
        context = bench.attached()
        status, old, dead = bench.manager.delete(bench.instance, bench.stream, STREAM, wanted)
        assert status == STATUS_SUCCESS
        assert (old, dead) == ((context, None) if wanted else (None, context))
        assert counts(context) == after
        again = bench.manager.delete(bench.instance, bench.stream, STREAM, wanted)
        assert again == (STATUS_NOT_FOUND, None, None)


class TestSections:
    """Section contexts."""

    def test_close_drops_only_the_link(self, bench):
        """The allocation's reference stays the driver's; closing twice or too early is refused."""
        context = bench.allocate(SECTION)
        assert bench.manager.close_section(context) == (STATUS_INVALID_PARAMETER, False)
        bench.set(context, kind=SECTION)
        context.sectioned = True
        assert bench.manager.close_section(context) == (STATUS_SUCCESS, False)
        assert counts(context) == (1, 0)
        assert bench.manager.close_section(context) == (STATUS_NOT_FOUND, False)


class TestTeardown:
    """What FltMgr drops by itself."""

    @pytest.mark.parametrize("which", ["stream", "instance"])
    def test_an_object_that_goes_drops_its_links(self, bench, which):
        """A context that nobody else owns dies; another one lives on without a link."""
        free, held = bench.attached(), bench.allocate(SECTION)
        bench.set(held, kind=SECTION)
        if which == "stream":
            dead = bench.manager.tear_down(bench.stream)
        else:
            dead = bench.manager.tear_down_owner(bench.instance)
        assert dead == [free]
        assert counts(held) == (1, 0)
        bench.manager.free(free)
        assert free.state == FREED

    def test_allocation_needs_a_registration_and_a_living_filter(self, bench):
        """The size must be the registered one; an unregistering filter gets nothing."""
        wrong = bench.manager.allocate(bench.filter, STREAM, SIZE + 1)
        assert wrong == (STATUS_FLT_CONTEXT_ALLOCATION_NOT_FOUND, None)
        bench.filter.tearing = True
        assert bench.manager.allocate(bench.filter, STREAM, SIZE) == (STATUS_FLT_DELETING_OBJECT, None)
