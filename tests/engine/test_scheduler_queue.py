# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""The waiting queue by itself: what a pass takes out and puts back."""

from __future__ import annotations

import pytest

pytest.importorskip("vllm")

from tests.engine.scheduler_harness import call
from vllm.v1.request import Request

from treadle.serving.policy import Rank
from treadle.serving.vllm_plugin.waiting_queue import PriorityProgramQueue, ProgramQueue


class _ByName:
    """Ranks by the request's name, and admits everything."""

    def rank(self, request: Request) -> Rank:
        return (float(request.request_id),)

    def admits(self, request: Request) -> bool:
        return True

    def idle(self) -> bool:
        return False

    def changes(self) -> int:
        return 0


@pytest.mark.parametrize("kind", [ProgramQueue, PriorityProgramQueue])
def test_what_a_pass_skips_is_there_once_when_it_is_put_back(
    kind: type[ProgramQueue] | type[PriorityProgramQueue],
) -> None:
    queue = kind(_ByName(), lambda: 0.0)
    requests = [call(str(number), prompt=range(40)) for number in (3, 1, 2)]
    for request in requests:
        queue.add_request(request)
    for _ in range(2):
        queue.open_pass(programs=True)
        skipped = [queue.pop_request(), queue.pop_request()]
        assert [each.request_id for each in skipped] == ["1", "2"]
        queue.prepend_requests(skipped)
        queue.close_pass()
    queue.open_pass(programs=True)
    taken = []
    while queue:
        taken.append(queue.pop_request().request_id)
    queue.close_pass()
    assert taken == ["1", "2", "3"]
    assert len(queue) == 0
