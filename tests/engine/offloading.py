# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""The workers of vLLM's OffloadingConnector, which move nothing and say that it is done."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field

with warnings.catch_warnings():
    # As in `scheduler_harness`.
    warnings.simplefilter("ignore")
    from vllm.distributed.kv_transfer.kv_connector.v1.offloading.common import (
        OffloadingWorkerMetadata,
    )
    from vllm.v1.core.sched.output import SchedulerOutput
    from vllm.v1.outputs import KVConnectorOutput


@dataclass(slots=True)
class TierWorkers:
    """Loads take `steps` steps, stores none; loads: the calls for which there were any.

    broken: whether what is loaded from now on turns out to be unusable.
    """

    steps: int = 1
    broken: bool = False
    loads: list[str] = field(default_factory=list)
    stores: int = 0
    _step: int = 0
    _coming: list[tuple[int, int, str]] = field(default_factory=list)
    _blocks: dict[int, set[int]] = field(default_factory=dict)

    def __call__(self, output: SchedulerOutput) -> KVConnectorOutput:
        """What the workers report after this step."""
        self._step += 1
        told = OffloadingWorkerMetadata()
        jobs = output.kv_connector_metadata
        for job in jobs.store_jobs:
            self.stores += 1
            told.mark_completed(job)
        for job, each in jobs.load_jobs.items():
            self.loads.append(each.req_id)
            if self.broken:
                self._blocks[job] = {int(block) for block in each.dst_spec.block_ids}
            self._coming.append((self._step + self.steps, job, each.req_id))
        there = [each for each in self._coming if each[0] <= self._step]
        self._coming = [each for each in self._coming if each[0] > self._step]
        for _, job, _ in there:
            told.mark_completed(job)
        return KVConnectorOutput(
            finished_recving={name for _, _, name in there} or None,
            invalid_block_ids=set[int]().union(
                *(self._blocks.pop(job, set[int]()) for _, job, _ in there)
            ),
            kv_connector_worker_meta=told,
        )
