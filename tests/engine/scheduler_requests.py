# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportArgumentType=false
"""Requests as a scheduler gets them, of tokens that mean nothing."""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping, Sequence

from tests.engine.scheduler_config import BLOCK

with warnings.catch_warnings():
    # As in `scheduler_harness`.
    warnings.simplefilter("ignore")
    from vllm.sampling_params import SamplingParams
    from vllm.utils.hashing import sha256
    from vllm.v1.core.kv_cache_utils import get_request_block_hasher, init_none_hash
    from vllm.v1.request import Request

init_none_hash(sha256)


def call(
    name: str,
    prompt: Sequence[int],
    *,
    output: int = 4,
    program: str | None = None,
    branch: str | None = None,
    session: str | None = None,
    priority: int = 0,
    extra: Mapping[str, object] | None = None,
    **options: object,
) -> Request:
    """A request for `output` tokens after `prompt`, with a hint where `program` is named."""
    hint: dict[str, object] = dict(extra or {})
    if program is not None:
        hint["treadle_program_id"] = program
    if branch is not None:
        hint["treadle_step_id"] = branch
    return Request(
        request_id=name,
        prompt_token_ids=list(prompt),
        sampling_params=SamplingParams(
            max_tokens=output, ignore_eos=True, extra_args=hint or None, **options
        ),
        pooling_params=None,
        arrival_time=0.0,
        priority=priority,
        session_id=session,
        block_hasher=get_request_block_hasher(BLOCK, sha256),
    )


def text(seed: int, tokens: int) -> list[int]:
    """`tokens` tokens that differ from those of other seeds."""
    return random.Random(seed).choices(range(2, 500), k=tokens)
