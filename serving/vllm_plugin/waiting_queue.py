# pyright: reportMissingImports=false
"""vLLM's waiting queues, in the order of a policy while there are programs about.

Underneath, each is vLLM's own queue in vLLM's own order, and without programs it is nothing else.
While a scheduling pass is open (`open_pass` to `close_pass`) and programs are about, looking at
the queue shows what the policy ranks first among what it admits; what it does not admit is hidden,
but counted. 0.32's pass peeks, then pops, then puts back what it skipped.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from vllm.v1.core.sched.request_queue import (
    FCFSRequestQueue,
    PriorityRequestQueue,
    RequestQueue,
)

from treadle.serving.policy.contract import Rank
from treadle.serving.vllm_plugin.pacing import Pacing

if TYPE_CHECKING:
    from vllm.v1.request import Request

    Entry: TypeAlias = tuple[Rank, int, Request]


class WaitingOrder(Protocol):
    """What the queue asks about the requests in it."""

    def rank(self, request: Request) -> Rank:
        """Its place; smaller is earlier."""
        ...

    def admits(self, request: Request) -> bool:
        """Whether it may start now."""
        ...

    def idle(self) -> bool:
        """Whether nothing runs, so that something has to start."""
        ...

    def changes(self) -> int:
        """A number that differs when what was refused may be admitted by now."""
        ...


@dataclass(slots=True)
class _Refusals:
    """Requests that were not admitted; asked again when something changed, or after a while."""

    requests: set[str]
    changes: int
    pacing: Pacing


class RankedView:
    """The queue's requests in the policy's order, kept from pass to pass.

    order: answers about requests. clock: in seconds; the time that ranking and asking take is
    measured with it, and they are done again only as often as that allows.
    """

    def __init__(self, order: WaitingOrder, clock: Callable[[], float]) -> None:
        self._order = order
        self._clock = clock
        self._entries: list[Entry] = []
        self._places: dict[str, tuple[Rank, int]] = {}
        self._ranking = Pacing()
        self._changes = -1
        self._refusals = _Refusals(set(), -1, Pacing())
        self._asked = 0.0

    def refresh(self, requests: Iterable[Request]) -> bool:
        """Before a pass: rank all of `requests`, in the queue's own order, where that is due;
        whether they were, and numbered from 0."""
        now = self._clock()
        changes = self._order.changes()
        changed = changes != self._changes
        refusals = self._refusals
        if refusals.pacing.overdue(now) or (
            refusals.changes != changes and refusals.pacing.affordable(now)
        ):
            refusals.requests.clear()
            refusals.changes = changes
        self._asked = 0.0
        if not self._ranking.overdue(now) and not (changed and self._ranking.affordable(now)):
            return False
        self._changes = changes
        rank = self._order.rank
        self._entries = [(rank(each), n, each) for n, each in enumerate(requests)]
        self._entries.sort()
        self._places = {each[2].request_id: each[:2] for each in self._entries}
        self._ranking.done(now, self._clock())
        return True

    def add(self, request: Request, number: int) -> None:
        """`request` joins; `number` is its place in the queue's own order."""
        assert request.request_id not in self._places, "a request waits once"
        entry = (self._order.rank(request), number, request)
        self._places[request.request_id] = entry[:2]
        insort(self._entries, entry)

    def remove(self, request: Request) -> None:
        """`request` leaves."""
        place = self._places.pop(request.request_id, None)
        self._refusals.requests.discard(request.request_id)
        if place is None:
            return
        # A pair sorts before the triple that begins with it.
        del self._entries[bisect_left(self._entries, place)]

    def __contains__(self, request: Request) -> bool:
        """Whether it is there."""
        return request.request_id in self._places

    def number(self, request: Request) -> int:
        """Its place in the queue's own order."""
        return self._places[request.request_id][1]

    def first(self) -> Request | None:
        """The first in rank that is admitted; with nothing running, the first in rank."""
        refused = self._refusals.requests
        asked = False
        began = 0.0
        chosen: Request | None = None
        for _, _, request in self._entries:
            if request.request_id in refused:
                continue
            if not asked:
                asked, began = True, self._clock()
            if self._order.admits(request):
                chosen = request
                break
            refused.add(request.request_id)
        if asked:
            ended = self._clock()
            self._asked += ended - began
            self._refusals.pacing.done(ended - self._asked, ended)
        if chosen is None and self._entries and self._order.idle():
            chosen = self._entries[0][2]
        return chosen


class _Ranked(RequestQueue):
    """What both queues have in common; stands before vLLM's queue among the base classes."""

    def __init__(self, order: WaitingOrder, clock: Callable[[], float]) -> None:
        super().__init__()
        self._passing = (order, clock)
        self._view: RankedView | None = None
        self._open = False
        self._dirty = False
        self._front = self._back = 0
        self._head: Request | None = None
        self._taken: dict[str, int] = {}

    def open_pass(self, programs: bool, *, slots: bool = True) -> None:
        """A scheduling pass begins. programs: whether any are about. slots: whether any is free;
        otherwise the pass ends before it takes a request, and sees vLLM's own order."""
        if not programs:
            self._view = None
        if not programs or not slots:
            return
        if self._view is None:
            self._view = RankedView(*self._passing)
        if self._view.refresh(self):
            self._front, self._back = -1, len(self)
        self._open = True
        self._head = None

    def close_pass(self) -> None:
        """The pass is over: the queue shows all that is in it again."""
        self._open = False
        self._head = None
        self._taken.clear()
        if self._dirty and self._view is not None:
            self._restore(self._view.number)
        self._dirty = False

    def _restore(self, number: Callable[[Request], int]) -> None:
        """Put the requests back into the queue's own order, after some were skipped."""

    # -- what a pass does -----------------------------------------------------------------------

    def _first(self) -> Request | None:
        if self._head is None and self._view is not None:
            self._head = self._view.first()
        return self._head

    def __bool__(self) -> bool:
        """Whether a request can be seen: in a pass those that are hidden cannot."""
        return self._first() is not None if self._open else len(self) > 0

    def peek_request(self) -> Request:
        """The one to look at next. Raises IndexError where none can be seen."""
        if not self._open:
            return super().peek_request()
        first = self._first()
        if first is None:
            raise IndexError("peek from an empty queue")
        return first

    def pop_request(self) -> Request:
        """Take out the one to look at next. Raises IndexError where none can be seen."""
        view = self._view
        if view is None:
            return super().pop_request()
        request = self.peek_request()
        self._head = None
        self._taken[request.request_id] = view.number(request)
        view.remove(request)
        super().remove_request(request)
        return request

    def prepend_requests(self, requests: Iterable[Request]) -> None:
        """Put back what the pass skipped, each to where it was."""
        several = list(requests)
        super().prepend_requests(several)
        for request in several:
            self._joined(request, front=True)

    # -- joining and leaving --------------------------------------------------------------------

    def add_request(self, request: Request) -> None:
        """It joins at the end of the queue's own order."""
        super().add_request(request)
        self._joined(request, front=False)

    def prepend_request(self, request: Request) -> None:
        """It joins at the beginning of the queue's own order."""
        super().prepend_request(request)
        self._joined(request, front=True)

    def remove_request(self, request: Request) -> None:
        """It leaves. Raises ValueError where it is not there."""
        super().remove_request(request)
        self._left(request)

    def remove_requests(self, requests: Iterable[Request]) -> None:
        """They leave, those of them that are there."""
        several = list(requests)
        super().remove_requests(several)
        for request in several:
            self._left(request)

    def _joined(self, request: Request, *, front: bool) -> None:
        # vLLM's priority queue puts back by adding, which has come by here already.
        if self._view is None or request in self._view:
            return
        self._head = None
        number = self._taken.pop(request.request_id, None)
        if number is not None:
            self._dirty = True
        elif front:
            number = self._front
            self._front -= 1
        else:
            number = self._back
            self._back += 1
        self._view.add(request, number)

    def _left(self, request: Request) -> None:
        self._head = None
        if self._view is not None:
            self._view.remove(request)


class ProgramQueue(_Ranked, FCFSRequestQueue):
    """For `--scheduling-policy fcfs`: without programs, first come, first served."""

    def _restore(self, number: Callable[[Request], int]) -> None:
        ordered = sorted(self, key=number)
        self.clear()
        self.extend(ordered)


class PriorityProgramQueue(_Ranked, PriorityRequestQueue):
    """For `--scheduling-policy priority`: a policy orders what has the same priority."""
